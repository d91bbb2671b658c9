"""The experiment `fixed-tasks`."""
