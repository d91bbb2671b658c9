"""Learners that average labels: of all examples, or of those that lie close to the query."""
