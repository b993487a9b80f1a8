"""What is wrong with a node and its service, by the incident playbook: the evidence, and what follows from it."""
