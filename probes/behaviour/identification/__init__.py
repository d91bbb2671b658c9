"""The parts of `identify`: candidates, conditions, what each candidate leaves unexplained, and the verdict."""
