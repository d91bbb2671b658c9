"""The experiment `sine`."""
