"""The service: watches nodes, and serves what they answer."""
