"""The experiment `two-step`."""
