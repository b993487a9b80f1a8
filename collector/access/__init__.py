"""Who may what: tokens, passwords, and the gate that asks before any route."""
