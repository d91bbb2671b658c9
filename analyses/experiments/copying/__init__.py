"""The experiment `copying`."""
