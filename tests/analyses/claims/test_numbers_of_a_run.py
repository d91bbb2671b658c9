"""One number of a whole run is one number: its interval comes from resampled seeds, and does not shrink with copies."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analyses.claims.bootstrap import Resampled, resampled
from analyses.claims.claim import Claim, Measure, Source
from analyses.claims.outcome import apply
from analyses.claims.verdict import Circumstances, judge
from analyses.report.views import verdict_view


def deviation(rows: pd.DataFrame) -> float:
    return float(rows["value"].std(ddof=1))


def claim(bound: float) -> Claim:
    measure = Measure("deviation", "at least", bound, deviation, ideal=2 * bound, per_run=True)
    return Claim("id", "It varies.", "nobody", "a rule", (measure,), Source("run"), {"calm": Source("run", "calm")})


def rows(values: list[float], calm: float = 0.001) -> pd.DataFrame:
    listed = [("none", seed, value) for seed, value in enumerate(values)]
    listed += [("calm", seed, calm * value) for seed, value in enumerate(values)]
    return pd.DataFrame(listed, columns=["control", "seed", "value"]).assign(run="run", probe="p")


VALUES = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]


def test_the_number_is_of_all_seeds_together_with_a_bootstrap_over_seeds() -> None:
    outcome = apply(claim(1.0), rows(VALUES), Source("run"))
    value, low, high = outcome.interval("deviation")
    assert value == pytest.approx(np.std(VALUES, ddof=1))
    # Eight copies of one number would have a t interval without width.
    source = np.random.default_rng(1)
    draws = [np.log(np.std(source.choice(VALUES, 8), ddof=1)) for _ in range(4000)]
    half = stats.t.ppf(0.975, 7) * np.sqrt(8 / 7) * np.std(draws)
    # The standard deviation of 400 draws is known to a few percent.
    assert (low, high) == pytest.approx((value * math.exp(-half), value * math.exp(half)), rel=0.1)


def test_the_interval_of_a_spread_of_eight_seeds_covers_it() -> None:
    """Of percentiles of the draws, those of 28 % of samples end below the true deviation."""
    source = np.random.default_rng(2)
    positions = source.integers(8, size=(400, 8))
    below = above = 0
    for sample in source.standard_normal((500, 8)):
        spread = Resampled(float(sample.std(ddof=1)), sample[positions].std(axis=1, ddof=1), 8)
        _, low, high = spread.interval
        below, above = below + (high < 1), above + (low > 1)
    # Each share has a standard error of about one percent.
    assert below / 500 < 0.07 and above / 500 < 0.05


def test_a_number_that_can_be_negative_and_one_that_can_be_infinite_have_an_interval() -> None:
    draws = np.random.default_rng(0).normal(0.5, 1.0, 400)
    value, low, high = Resampled(0.5, draws, 5).interval
    assert (low + high) / 2 == value and high - value == pytest.approx(2.78 * math.sqrt(5 / 4), rel=0.1)
    # What never happened in some draws is infinite there.
    assert Resampled(1.0, np.array([1.0] * 90 + [math.inf] * 10), 5).interval == (1.0, 1.0, math.inf)
    assert Resampled(math.inf, np.full(100, math.inf), 5).interval == (math.inf,) * 3


@pytest.mark.parametrize(
    ("bound", "status", "word"),
    [(0.5, "holds", "8 of 8"), (2.2, "inconclusive", "might decide otherwise: deviation"), (9.0, "fails", "break")],
)
def test_a_bound_within_the_interval_decides_nothing(bound: float, status: str, word: str) -> None:
    verdict = judge(claim(bound), rows(VALUES), Circumstances())
    assert (verdict.status, word in verdict.reason) == (status, True), verdict.reason


def test_it_is_shown_once() -> None:
    verdict = judge(claim(0.5), rows(VALUES), Circumstances())
    (measure,) = verdict_view(verdict).measures
    assert measure.seeds == "one number for all" and measure.mean.startswith("2.449 [")


def test_few_seeds_have_no_interval() -> None:
    assert all(math.isnan(number) for number in resampled(deviation, rows([]).iloc[:0]).interval)
    value, low, high = resampled(lambda rows: float(rows["value"].mean()), rows([1.0], 1.0)).interval
    assert value == 1 and math.isnan(low) and math.isnan(high)
    # Copies of a seed have no spread, and no draw of them has.
    assert resampled(deviation, rows([1.0, 1.0], 1.0)).interval == (0.0, 0.0, 0.0)
