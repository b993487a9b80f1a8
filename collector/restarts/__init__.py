"""Restarts on request: what may be asked, what was planned, what became of it. The journal alone keeps them."""
