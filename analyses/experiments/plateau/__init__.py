"""The experiment `plateau`."""
