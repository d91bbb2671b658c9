"""What comes when in training."""
