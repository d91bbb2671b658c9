"""The numbers that rules are made of, by kind of model and probe."""
