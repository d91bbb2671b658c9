"""Both sides of the attribution benchmark compute the same numbers, and the stacked one is faster."""

import pytest

from analyses.benchmarks.attribution import compare, regression, symbols


@pytest.mark.slow
@pytest.mark.parametrize("subject", [symbols(64), regression("linear")], ids=["next_token", "regression"])
def test_stacked_edits_are_at_least_three_times_faster(subject) -> None:
    # `compare` itself refuses sides whose numbers differ. Few prompts and blocks: the ratios are far above 3.
    for row in compare("few prompts", subject, prompts=8, blocks=3):
        assert row.ratio > 3, row
