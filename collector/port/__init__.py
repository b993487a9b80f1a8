"""The HTTP port: the server, TLS and the web configuration, errors in one shape, how much at once."""
