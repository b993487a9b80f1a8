"""What is answered over HTTP, a file for each subject."""
