"""Seeds side by side: every configuration has a number of every block, and none of them stays behind."""

import multiprocessing

import pytest

from analyses.benchmarks.side_by_side import seeds_side_by_side
from mesa.config.presets import preset


@pytest.mark.slow
def test_every_configuration_is_timed_in_every_block() -> None:
    config = preset("one-layer")
    small = config.model_copy(update={"training": config.training.model_copy(update={"batch": 2})})
    seeds, times = seeds_side_by_side([small, small], blocks=2, block_s=0.01, seeds=2)
    assert seeds == 2
    assert [len(seconds) for seconds in times] == [2, 2]
    assert all(second > 0 for seconds in times for second in seconds)
    assert not multiprocessing.active_children()
