"""Questions that only predictions answer."""
