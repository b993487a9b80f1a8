"""The journal of what was done: its chain of hashes, its file, its lines in the log, how it is shown."""
