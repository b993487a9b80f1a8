"""How an instance died that no longer exists: read from its log, which is all that is left of it."""
