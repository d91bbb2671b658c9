"""The experiment `one-step`."""
