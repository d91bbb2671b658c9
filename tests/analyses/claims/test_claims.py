"""A verdict follows from numbers by rules, and every rule of a verdict can be seen to bite."""

import math
from dataclasses import replace

import pandas as pd
import pytest

from analyses.claims.claim import Circumstances, Claim, Measure, Source, Status, interval, judge

MEASURE = Measure("error", "at most", 1.0, lambda rows: float(rows["value"].iloc[0]))
CLAIM = Claim(
    "id",
    "A sentence.",
    "A paper",
    "error at most 1",
    (MEASURE,),
    Source("run"),
    negative={"untrained": Source("run", "untrained")},
    positive={"constructed": Source("run", "constructed")},
)
GOOD, BAD = [0.5, 0.6, 0.55], [3.0, 3.1, 2.9]


def rows(**values: list[float]) -> pd.DataFrame:
    listed = [
        {"run": "run", "control": control, "seed": seed, "value": value}
        for control, found in values.items()
        for seed, value in enumerate(found)
    ]
    return pd.DataFrame(listed, columns=["run", "control", "seed", "value"])


def status(table: pd.DataFrame, given: Circumstances | None = None, claim: Claim = CLAIM) -> tuple[Status, str]:
    verdict = judge(claim, table, given or Circumstances())
    return verdict.status, verdict.reason


FULL = {"none": GOOD, "untrained": BAD, "constructed": [0.0] * 3}


def test_a_claim_holds_where_seeds_meet_it_and_controls_contradict() -> None:
    assert status(rows(**FULL))[0] == "holds"


@pytest.mark.parametrize(
    ("change", "given", "expected", "word"),
    [
        ({"none": BAD}, Circumstances(), "fails", "0 of 3"),
        ({"none": [0.5, 0.6, 1.1]}, Circumstances(), "inconclusive", "not seed 2"),
        # The mean breaks the bound and its interval is clear of it, although one seed meets the rule.
        ({"none": [1.5] * 20 + [0.99]}, Circumstances(), "fails", "mean and interval"),
        ({"none": BAD}, Circumstances(undertrained=("run seed 0",)), "inconclusive", "still falling"),
        ({}, Circumstances(undertrained=("other seed 0",)), "holds", ""),
        ({}, Circumstances(quick=True), "inconclusive", "quick"),
        ({"none": BAD}, Circumstances(quick=True), "inconclusive", "quick"),
        ({}, Circumstances(diverged=("run seed 3 (step 7)",)), "inconclusive", "diverged"),
        ({"untrained": [0.5, 3.0, 3.0]}, Circumstances(), "inconclusive", "controls that should not"),
        ({"untrained": []}, Circumstances(), "inconclusive", "could have contradicted"),
        ({"constructed": [0.0, 0.0, 2.0]}, Circumstances(), "inconclusive", "positive control"),
        ({"none": [0.5]}, Circumstances(), "inconclusive", "one seed"),
        ({"none": []}, Circumstances(), "inconclusive", "nothing"),
        ({"none": [math.nan] * 3}, Circumstances(), "fails", "0 of 3"),
    ],
)
def test_each_reason_not_to_hold(
    change: dict[str, list[float]], given: Circumstances, expected: Status, word: str
) -> None:
    found, reason = status(rows(**{**FULL, **change}), given)
    assert (found, word in reason) == (expected, True), reason


def test_a_claim_without_negative_controls_never_holds() -> None:
    assert status(rows(**FULL), claim=replace(CLAIM, negative={}))[0] == "inconclusive"


def test_explaining_controls_weigh_nothing() -> None:
    claim = replace(CLAIM, explaining={"other": Source("run", "other")})
    assert status(rows(**FULL, other=GOOD), claim=claim)[0] == "holds"
    assert status(rows(**FULL, other=BAD), claim=claim)[0] == "holds"


@pytest.mark.parametrize(
    ("sense", "bound", "inside", "outside"),
    [("at most", 1.0, 1.0, 1.01), ("at least", 0.9, 0.9, 0.89), ("below", 0.8, 0.79, 0.8)],
)
def test_senses_and_scores(sense: str, bound: float, inside: float, outside: float) -> None:
    measure = Measure("m", sense, bound, lambda _: 0.0, ideal=1.0 if sense == "at least" else 0.0)  # pyright: ignore
    assert measure.met(inside) and not measure.met(outside) and not measure.met(math.nan)
    assert measure.score(bound) == pytest.approx(1)
    assert measure.score(inside) <= 1 <= measure.score(outside) + 1e-12


def test_the_interval_is_students() -> None:
    from scipy import stats

    values = {0: 1.0, 1: 2.0, 2: 4.0, 3: 3.5}
    mean, low, high = interval(values)
    expected = stats.ttest_1samp(list(values.values()), 0).confidence_interval(0.95)
    assert (low, high) == pytest.approx((expected.low, expected.high))
    assert mean == pytest.approx(2.625)
    assert all(math.isnan(bound) for bound in interval({0: 1.0})[1:])


def test_a_claim_also_stands_on_the_runs_that_it_looks_at_besides() -> None:
    compared = replace(CLAIM, beside=("other",))
    late, lost = Circumstances(undertrained=("other seed 0",)), Circumstances(diverged=("other seed 3 (step 7)",))
    bad = rows(**{**FULL, "none": BAD})
    assert status(bad, late)[0] == "fails" and status(bad, late, compared)[0] == "inconclusive"
    assert status(rows(**FULL), lost)[0] == "holds" and status(rows(**FULL), lost, compared)[0] == "inconclusive"
