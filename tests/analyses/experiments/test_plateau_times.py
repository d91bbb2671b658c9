"""When a loss drops: read off curves that are known, and judged as the plateau analysis judges them."""

import math

import numpy as np
import pandas as pd
import pytest

from analyses.claims.analysis import judged
from analyses.claims.verdict import Circumstances, judge
from analyses.evidence import Evidence
from analyses.experiments.plateau.analysis import HIGH_RATE, LARGE_RUNS, ONE, TWO, WIDE, Plateau
from analyses.experiments.plateau.times import drop_rows, plateau_times, relative_spread, relative_time, spread
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
    a, b = (table[table["run"] == run] for run in "ab")
    assert spread(a) == pytest.approx(math.log(210 / 110) / math.sqrt(2))
    assert relative_time(a) == pytest.approx(math.sqrt(110 * 210 / (410 * 1610)))
    assert relative_spread(a) == pytest.approx(math.log(210 / 110) / math.log(1610 / 410))
    assert math.isnan(relative_spread(b)) and math.isnan(relative_time(b))
    never = drop_rows(evidence({"a": [100.0, math.inf]}), {})
    assert never[never["metric"] == "log_drop"]["value"].tolist() == pytest.approx([math.log(110), math.log(2000)])


def test_the_spread_does_not_grow_with_the_number_of_seeds() -> None:
    """The ratio of the last drop to the first would, from about 2.4 to about 4."""
    source, means = np.random.default_rng(0), []
    for seeds in (8, 64):
        drops = [np.exp(source.normal(6, 0.3, seeds)) for _ in range(20)]
        tables = [pd.DataFrame({"probe": "drops", "metric": "log_drop", "value": np.log(each)}) for each in drops]
        means.append(np.mean([spread(table) for table in tables]))
    # The standard error of each mean is at most 0.3 / sqrt(2 * 7 * 20) = 0.02.
    assert means == pytest.approx([0.3, 0.3], abs=0.06)


# Six seeds: of three, every ninth resample has one seed only, and decides nothing.
CALM, WILD = [400.0, 410.0, 420.0] * 2, [300.0, 600.0, 1200.0, 350.0, 500.0, 1000.0]
TRUE = {ONE: WILD, TWO: [210.0, 220.0, 230.0] * 2, WIDE: WILD}


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        ({}, set()),
        ({ONE: [50.0, 100.0, 190.0] * 2}, {"plateau", "two-heads"}),
        ({ONE: [300.0, 600.0, math.inf] * 2}, {"plateau"}),
        ({ONE: CALM}, {"seed-dependent", "two-heads"}),
        ({TWO: WILD}, {"two-heads"}),
        ({TWO: [1210.0, 1220.0, 1230.0] * 2}, {"two-heads"}),
    ],
)
def test_rules_hold_on_the_claimed_curves_and_break_on_others(
    change: dict[str, list[float]], broken: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Bounds are far from these numbers: few resamples show it.
    monkeypatch.setattr("analyses.claims.bootstrap.DRAWS", 20)
    when = {
        **TRUE,
        **{LARGE_RUNS[name]: seeds for name, seeds in TRUE.items()},
        HIGH_RATE: [50.0, 60.0, 70.0] * 2,
        **change,
    }
    rows = judged(Plateau(), evidence(when))
    verdicts = {claim.id: judge(claim, rows, Circumstances()) for claim in Plateau().claims()}
    assert {name for name, verdict in verdicts.items() if not verdict.outcome.all_met} == broken
    if not change:
        assert {verdict.status for verdict in verdicts.values()} == {"holds"}
