"""The experiment `induction`."""
