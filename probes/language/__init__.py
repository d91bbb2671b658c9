"""Questions about language models and their heads."""
