"""Subjects that a probe must tell from the model, and some that it must not."""
