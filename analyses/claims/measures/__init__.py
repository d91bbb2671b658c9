"""The numbers that rules are made of."""
