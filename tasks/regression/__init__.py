"""Prompts of examples (x, y): distributions of in-context regression problems, and shifts of them."""
