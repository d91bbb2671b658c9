"""Speed as a ratio, and how often planted models are identified rightly."""
