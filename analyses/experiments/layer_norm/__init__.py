"""The experiment `layer-norm`."""
