"""The experiment `induction-step`."""
