"""How prompts become model input, and how outputs become predictions and losses."""
