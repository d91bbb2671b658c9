"""The experiment `depth`."""
