"""Run directories and checkpoints: atomic to write, checked when read."""
