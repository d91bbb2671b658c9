"""What forms when in training."""
