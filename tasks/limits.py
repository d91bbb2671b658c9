"""Bounds of what a task can be."""

# The most entries, examples or symbols that a field may ask for: with more one prompt would not fit in memory.
LARGEST = 2**20
