"""Which heads carry a behaviour."""
