"""When a loss drops: read off curves that are known, and judged as the plateau analysis judges them."""

import math

import numpy as np
import pandas as pd
import pytest

from analyses.claims.analysis import judged
from analyses.claims.verdict import Circumstances, judge
from analyses.evidence import Evidence
from analyses.experiments.plateau.analysis import HASTE, LARGE_RUNS, ONE, TWO, WIDE, Plateau
from analyses.experiments.plateau.times import drop_rows, plateau_times
from probes.readings.reading import Reading

GD, ZERO = 0.2, 0.4


def evidence(when: dict[str, list[float]], last: int = 2000) -> Evidence:
    """Runs whose seeds' losses fall from 0.4 to 0.2 linearly, within 40 steps around a step; infinity is never."""
    curves, rows = [], []
    for run, seeds in when.items():
        for seed, middle in enumerate(seeds):
            steps = np.arange(0, last + 1, 10)
            share = np.clip((steps - middle + 20) / 40, 0, 1) if math.isfinite(middle) else np.zeros(len(steps))
            loss = ZERO - share * (ZERO - GD)
            curves.append(pd.DataFrame({"run": run, "seed": seed, "step": steps, "held_out_loss": loss}))
            place = {"run": run, "seed": seed, "step": last, "control": "none", "probe": "gd_alignment"}
            for learner, value in (("gd", GD * 1.1), ("zero", ZERO * 1.1)):
                rows.append({**place, "metric": "learner_loss", "learner": learner, "value": value})
    # The probe's prompts are others than the held-out ones: only the ratio of its losses is used.
    return Evidence({}, Reading.of(rows).table, {}, pd.concat(curves, ignore_index=True))


def test_the_steps_are_those_of_the_curve() -> None:
    table = plateau_times(evidence({"a": [500.0, math.inf]})).set_index("seed")
    assert table.loc[0, ["plateau_end", "drop", "fall_end"]].tolist() == [490, 510, 520]
    assert table.loc[1, ["plateau_end", "drop", "fall_end"]].isna().all()


def test_the_order_of_rows_changes_nothing() -> None:
    given = evidence({"a": [300.0, 700.0], "b": [400.0, 400.0]})
    mixed = Evidence({}, given.rows.iloc[::-1], {}, given.curves.sample(frac=1, random_state=0))
    pd.testing.assert_frame_equal(plateau_times(given), plateau_times(mixed))


def test_a_run_beside_another() -> None:
    table = drop_rows(evidence({"a": [105.0, 205.0], "b": [405.0, 1605.0]}), {"a": "b"})
    values = table[table["seed"] == 0].set_index(["run", "metric"])["value"]
    assert values["a", "spread"] == pytest.approx(210 / 110)
    assert values["a", "relative_time"] == pytest.approx(math.sqrt(110 * 210 / (410 * 1610)))
    assert values["a", "relative_spread"] == pytest.approx(math.log(210 / 110) / math.log(1610 / 410))
    assert ("b", "relative_spread") not in values
    never = drop_rows(evidence({"a": [100.0, math.inf]}), {})
    assert never[never["metric"] == "spread"]["value"].tolist() == pytest.approx([2000 / 110] * 2)


CALM, WILD = [400.0, 410.0, 420.0], [300.0, 600.0, 1200.0]
TRUE = {ONE: WILD, TWO: [210.0, 220.0, 230.0], WIDE: WILD}


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        ({}, set()),
        ({ONE: [50.0, 100.0, 190.0]}, {"plateau", "two-heads"}),
        ({ONE: [300.0, 600.0, math.inf]}, {"plateau"}),
        ({ONE: CALM}, {"seed-dependent", "two-heads"}),
        ({TWO: WILD}, {"two-heads"}),
        ({TWO: [1210.0, 1220.0, 1230.0]}, {"two-heads"}),
    ],
)
def test_rules_hold_on_the_claimed_curves_and_break_on_others(change: dict[str, list[float]], broken: set[str]) -> None:
    when = {**TRUE, **{LARGE_RUNS[name]: seeds for name, seeds in TRUE.items()}, HASTE: [50.0, 60.0, 70.0], **change}
    rows = judged(Plateau(), evidence(when))
    verdicts = {claim.id: judge(claim, rows, Circumstances()) for claim in Plateau().claims()}
    assert {name for name, verdict in verdicts.items() if not verdict.outcome.all_met} == broken
    if not change:
        assert {verdict.status for verdict in verdicts.values()} == {"holds"}
