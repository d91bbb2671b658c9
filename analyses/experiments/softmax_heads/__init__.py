"""The experiment `softmax-heads`."""
