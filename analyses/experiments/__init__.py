"""The experiments: one file, or one folder, each."""
