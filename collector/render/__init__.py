"""Answers as a person reads them in a terminal, one subject per file."""
