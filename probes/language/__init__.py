"""Questions to language models and their heads."""
