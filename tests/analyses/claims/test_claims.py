"""A verdict follows from numbers by rules, and every rule of a verdict can be seen to bite."""

import math
from dataclasses import replace

import pandas as pd
import pytest

from analyses.claims.claim import Claim, Measure, Source
from analyses.claims.outcome import interval
from analyses.claims.verdict import Circumstances, Status, judge

MEASURE = Measure("error", "at most", 1.0, lambda rows: float(rows["value"].iloc[0]))
CLAIM = Claim(
    "id",
    "A sentence.",
    "A paper",
    "error at most 1",
    (MEASURE,),
    Source("run"),
    near_miss={"one_step_fewer": Source("run", "one_step_fewer")},
    negative={"untrained": Source("run", "untrained")},
    positive={"constructed": Source("run", "constructed")},
)
GOOD, BAD = [0.5, 0.6, 0.55], [3.0, 3.1, 2.9]


def rows(**values: list[float]) -> pd.DataFrame:
    listed = [
        {"run": "run", "control": control, "seed": seed, "value": value}
        for control, of_control in values.items()
        for seed, value in enumerate(of_control)
    ]
    return pd.DataFrame(listed, columns=["run", "control", "seed", "value"])


def status(table: pd.DataFrame, circumstances: Circumstances | None = None, claim: Claim = CLAIM) -> tuple[Status, str]:
    verdict = judge(claim, table, circumstances or Circumstances())
    return verdict.status, verdict.reason


FULL = {"none": GOOD, "one_step_fewer": [1.2, 1.3, 1.1], "untrained": BAD, "constructed": [0.0] * 3}
NAN = math.nan


def test_a_claim_holds_where_seeds_meet_it_and_controls_contradict() -> None:
    assert status(rows(**FULL))[0] == "holds"


@pytest.mark.parametrize(
    ("change", "circumstances", "expected", "word"),
    [
        ({"none": BAD}, Circumstances(), "fails", "0 of 3"),
        ({"none": [0.5, 0.6, 1.1]}, Circumstances(), "inconclusive", "not seed 2"),
        # The mean breaks the bound and its interval is clear of it, although one seed meets the rule.
        ({"none": [1.5] * 20 + [0.99]}, Circumstances(), "fails", "mean and interval"),
        ({"none": [math.inf] * 3}, Circumstances(), "fails", "0 of 3"),
        # A single seed is no evidence either way.
        ({"none": [0.5]}, Circumstances(), "inconclusive", "fewest"),
        ({"none": [1.01]}, Circumstances(), "inconclusive", "fewest"),
        # Undefined is neither met nor broken.
        ({"none": []}, Circumstances(), "undefined", "nothing"),
        ({"none": [NAN] * 3}, Circumstances(), "undefined", "no seed has a value of: error"),
        ({"none": [0.5, 0.6, NAN]}, Circumstances(), "inconclusive", "seed 2 has no value of: error"),
        ({"none": [3.0, 3.1, NAN]}, Circumstances(), "inconclusive", "seed 2 has no value of: error"),
        ({"untrained": [NAN] * 3}, Circumstances(), "inconclusive", "not defined: untrained"),
        ({"untrained": [3.0, NAN, 3.0]}, Circumstances(), "inconclusive", "not defined: untrained"),
        ({"untrained": []}, Circumstances(), "inconclusive", "not measured or not defined: untrained"),
        ({"one_step_fewer": [NAN] * 3}, Circumstances(), "inconclusive", "not defined: one_step_fewer"),
        ({"constructed": [0.0, NAN, 0.0]}, Circumstances(), "inconclusive", "positive control"),
        # Controls that do not do what they must.
        ({"untrained": [0.5, 3.0, 3.0]}, Circumstances(), "inconclusive", "controls that should not"),
        ({"one_step_fewer": [0.9, 1.3, 1.1]}, Circumstances(), "inconclusive", "should not: one_step_fewer"),
        ({"constructed": [0.0, 0.0, 2.0]}, Circumstances(), "inconclusive", "positive control"),
        # A rule that the construction breaks says nothing about the model.
        ({"none": BAD, "constructed": [2.0] * 3}, Circumstances(), "inconclusive", "positive control"),
        # Training that is not finished decides nothing, whichever way the numbers point.
        ({}, Circumstances(undertrained=("run seed 0",)), "inconclusive", "trained to the end: run seed 0"),
        ({"none": BAD}, Circumstances(undertrained=("run seed 0",)), "inconclusive", "trained to the end"),
        ({}, Circumstances(undertrained=("running seed 0",)), "holds", ""),
        ({}, Circumstances(diverged=("run seed 3 (step 7)",)), "inconclusive", "diverged"),
        ({"none": BAD}, Circumstances(diverged=("run seed 3 (step 7)",)), "inconclusive", "diverged"),
        ({}, Circumstances(quick=True), "inconclusive", "quick"),
        ({"none": BAD}, Circumstances(quick=True), "inconclusive", "quick"),
    ],
)
def test_each_reason_not_to_hold(
    change: dict[str, list[float]], circumstances: Circumstances, expected: Status, word: str
) -> None:
    actual, reason = status(rows(**{**FULL, **change}), circumstances)
    assert (actual, word in reason) == (expected, True), reason


def test_a_claim_without_a_near_miss_never_holds() -> None:
    only_untrained = replace(CLAIM, near_miss={})
    assert status(rows(**FULL), claim=only_untrained) == (
        "inconclusive",
        "3 of 3 seeds meet the rule, but no near miss could have contradicted it",
    )


def test_a_measure_that_is_broken_decides_and_one_that_is_undefined_does_not() -> None:
    second = Measure("second", "at least", 1.0, lambda rows: NAN)
    claim = replace(CLAIM, measures=(MEASURE, second))
    outcome = judge(claim, rows(none=[0.5, 3.0, NAN]), Circumstances()).outcome
    assert outcome.met == {0: None, 1: False, 2: None}
    assert outcome.undefined_measures == ("error", "second")
    # The controls break the first measure, whatever the second is.
    assert judge(claim, rows(**{**FULL, "none": BAD}), Circumstances()).controls["untrained"].all_broken


def test_the_controls_of_another_run_have_to_be_trained_to_the_end_too() -> None:
    claim = replace(CLAIM, near_miss={"wide_head": Source("wide")})
    other = rows(none=BAD).assign(run="wide")
    table = pd.concat([rows(**FULL), other])
    assert status(table, claim=claim)[0] == "holds"
    late, lost = Circumstances(undertrained=("wide seed 1",)), Circumstances(diverged=("wide seed 1 (step 3)",))
    assert status(table, late, claim)[0] == status(table, lost, claim)[0] == "inconclusive"
    # That the subject breaks the rule does not depend on its controls.
    broken = pd.concat([rows(**{**FULL, "none": BAD}), other])
    assert status(broken, late, claim)[0] == "fails"


def test_a_control_that_cannot_leave_a_plateau_counts_after_three_times_the_prompts() -> None:
    claim = replace(CLAIM, near_miss={"wide_head": Source("wide")})
    table = pd.concat([rows(**FULL), rows(none=BAD).assign(run="wide")])
    seed = "wide seed 1 (on the plateau of predicting zero)"

    def after(times: float, run: str = "run", flat: bool = True) -> Circumstances:
        plateau_prompts = {seed: int(1000 * times)} if flat else {}
        return Circumstances(undertrained=(seed,), prompts={run: 1000, "wide": 9000}, plateau_prompts=plateau_prompts)

    assert status(table, after(3), claim) == ("holds", status(table, claim=claim)[1])
    assert status(table, after(2.9), claim)[0] == "inconclusive"
    # A loss that still falls is not stuck, and a subject whose prompts are not known is no measure.
    assert status(table, after(9, flat=False), claim)[0] == status(table, after(9, "other"), claim)[0] == "inconclusive"
    # What the claim also looks at has to be outlasted too.
    beside = replace(claim, beside=("slow",))
    slow = replace(after(3), prompts={"run": 1000, "slow": 1001})
    assert status(table, slow, beside)[0] == "inconclusive" and status(table, slow, claim)[0] == "holds"


def test_neither_the_subject_nor_a_positive_control_may_stay_on_a_plateau() -> None:
    table = pd.concat([rows(**FULL), rows(none=GOOD).assign(run="wide")])
    claim = replace(CLAIM, positive={**CLAIM.positive, "wide_head": Source("wide")})
    for run in ("run", "wide"):
        seed = f"{run} seed 1 (on the plateau of predicting zero)"
        stuck = Circumstances(undertrained=(seed,), prompts={"run": 1}, plateau_prompts={seed: 10**9})
        assert status(table, claim=claim)[0] == "holds" and status(table, stuck, claim)[0] == "inconclusive"


def test_every_seed_of_a_run_has_to_be_measured() -> None:
    given = Circumstances(seeds={"run": range(3)})
    assert status(rows(**FULL), given)[0] == "holds"
    for name in ("one_step_fewer", "untrained", "constructed"):
        verdict = status(rows(**{**FULL, name: FULL[name][:1]}), given)
        assert verdict[0] == "inconclusive" and f"not measured: {name} on seed 1, 2" in verdict[1]
    for values in (GOOD, BAD):
        verdict = status(rows(**{**FULL, "none": values[:2]}), given)
        assert verdict[0] == "inconclusive" and "seed 2 was not measured" in verdict[1]
    # A seed that diverged has no rows, and that is the reason.
    assert "diverged" in status(rows(**FULL), replace(given, diverged=("run seed 2 (step 7)",)))[1]


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
    assert measure.met(inside) and measure.met(outside) is False and measure.met(NAN) is None
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
