"""The experiment `attribution`."""
