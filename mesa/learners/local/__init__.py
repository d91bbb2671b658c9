"""Learners whose predictions depend on how close examples lie to the query, or on no query at all."""
