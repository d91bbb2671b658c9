"""The experiment `markov`."""
