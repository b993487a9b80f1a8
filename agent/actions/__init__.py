"""What we change on a node, on request: planned by pure functions, then done there in one step by its own worker."""
