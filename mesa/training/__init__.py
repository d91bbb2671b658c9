"""Training: one step, one seed, all seeds."""
