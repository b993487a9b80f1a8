"""The playbook's two small cures, on request: the garbage collection of one process, and one key of one table."""
