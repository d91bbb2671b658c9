"""Questions about predictions."""
