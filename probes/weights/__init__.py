"""Questions about weights and their products."""
