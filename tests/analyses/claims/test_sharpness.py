"""A rule is sharp where its near misses would hardly ever meet it."""

import math
from dataclasses import replace

import numpy as np
import pytest

from analyses.claims.claim import Claim, Measure, Source
from analyses.claims.outcome import Outcome
from analyses.claims.sharpness import pass_rate

ERROR = Measure("error", "at most", 1.0, lambda rows: 0.0)
CLAIM = Claim("id", "A sentence.", "A paper", "error at most 1", (ERROR,), Source("run"))


def near_miss(*values: float, label: str = "error") -> Outcome:
    return Outcome({label: dict(enumerate(values))}, dict.fromkeys(range(len(values))))


def test_the_rate_is_that_of_fresh_samples_of_the_same_size() -> None:
    """Calibration: over many near misses, the mean rate is the share of fresh samples that meet the rule."""
    source = np.random.default_rng(1)
    for mean in (0.8, 1.0, 1.3):
        rates, passed = [], []
        for _ in range(300):
            first, second = source.normal(mean, 0.3, (2, 5))
            rates.append(pass_rate(CLAIM, near_miss(*first)))
            passed.append((second <= 1).all())
        # The estimate is wide with five seeds, and so errs towards a half.
        expected = float(np.mean(passed))
        assert abs(np.mean(rates) - expected) < 0.12, (mean, np.mean(rates), expected)


def test_a_distant_near_miss_hardly_ever_passes_and_a_close_one_does() -> None:
    far, close = pass_rate(CLAIM, near_miss(3.0, 3.1, 2.9, 3.0)), pass_rate(CLAIM, near_miss(1.05, 0.9, 1.2, 1.01))
    assert far < 1e-4 < 0.02 < close < 0.5
    # Nothing in the rate depends on the unit or on the direction of the measure.
    at_least = replace(CLAIM, measures=(Measure("error", "at least", -100.0, lambda rows: 0.0),))
    turned = near_miss(-105.0, -90.0, -120.0, -101.0)
    assert pass_rate(at_least, turned) == pytest.approx(close, abs=0.01)


def test_of_several_measures_the_least_often_met_counts() -> None:
    both = replace(CLAIM, measures=(ERROR, replace(ERROR, label="other")))
    outcome = Outcome({"error": {0: 0.5, 1: 0.6}, "other": {0: 9.0, 1: 9.1}}, {0: False, 1: False})
    assert pass_rate(both, outcome) == pass_rate(replace(CLAIM, measures=(both.measures[1],)), outcome) < 0.05


def test_values_without_a_spread_or_a_limit_or_a_number() -> None:
    assert pass_rate(CLAIM, near_miss(2.0, 2.0)) == pass_rate(CLAIM, near_miss(math.inf, math.inf)) == 0.0
    assert pass_rate(CLAIM, near_miss(0.5, 0.5)) == 1.0
    # Where four of five seeds meet the bound, all five often do.
    assert pass_rate(CLAIM, near_miss(0.5, 0.6, 0.5, 0.6, math.inf)) == pytest.approx(0.35, abs=0.05)
    assert all(
        math.isnan(pass_rate(CLAIM, outcome)) for outcome in (near_miss(), near_miss(2.0), near_miss(2.0, math.nan))
    )
