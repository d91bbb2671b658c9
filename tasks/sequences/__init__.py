"""Token sequences, each distribution with its best predictor in closed form."""
