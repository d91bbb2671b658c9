"""Learners that act on each eigenvalue of S = X^T X by itself, and how their parameters are fitted."""
