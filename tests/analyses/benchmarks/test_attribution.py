"""Both sides of the attribution benchmark compute the same numbers; `mesa bench attribution` measures their speed."""

import math

import pytest

from analyses.benchmarks.attribution import compare
from analyses.benchmarks.attribution_subjects import regression, symbols


@pytest.mark.slow  # seconds with shape checks; test_head_edits.py compares the engines on small models
@pytest.mark.parametrize("subject", [symbols(64), regression("linear")], ids=["next_token", "regression"])
def test_both_sides_compute_the_same_numbers(subject) -> None:
    # `compare` raises where the numbers of its two sides differ.
    for row in compare("few prompts", subject, prompts=4, blocks=1):
        assert math.isfinite(row.ratio) and row.ratio > 0, row
