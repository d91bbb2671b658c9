"""One number of a whole run is one number: its interval comes from resampled seeds, and does not shrink with copies."""

import math

import numpy as np
import pandas as pd
import pytest

from analyses.claims.bootstrap import resampled
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
    draws = [np.std(source.choice(VALUES, 8), ddof=1) for _ in range(4000)]
    # The standard error of a 2.5 % quantile of 400 draws is about 0.1 here.
    assert (low, high) == pytest.approx(tuple(np.quantile(draws, [0.025, 0.975])), abs=0.3)


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
