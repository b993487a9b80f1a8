"""The commands, a file for each family, and how they find and show what they ask for."""
