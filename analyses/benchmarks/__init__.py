"""Speed as a ratio, and who is named what."""
