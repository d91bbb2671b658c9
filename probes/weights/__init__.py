"""Questions to weights and their products."""
