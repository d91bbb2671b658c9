"""What is claimed, by which rule, and what follows from the numbers."""
