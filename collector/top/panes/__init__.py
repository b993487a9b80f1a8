"""The panes, one subject per file: what is asked for each, and its rows."""
