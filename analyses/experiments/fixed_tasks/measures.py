"""Losses on trained and on fresh teachers, in units of gradient descent's."""

import pandas as pd

from analyses.claims.measures.regression import loss_ratio
from analyses.claims.tables import Number, single_value
from analyses.evidence import Evidence
from probes.readings.reading import Reading

FRESH = "fresh_teachers"
ENDLESS = "endless"


def layer_of(count: int) -> str:
    """The name of the run of a layer trained on this many tasks."""
    return f"tasks-{count}"


def block_of(count: int) -> str:
    """The name of the run of a whole block trained on this many tasks."""
    return f"block-tasks-{count}"


def ratios(evidence: Evidence) -> pd.DataFrame:
    """Losses in units of tuned GD's on the same prompts: columns run, seed, control, trained and fresh.

    Untrained models and models of endless teachers have no trained teachers: both columns hold the loss on fresh ones.
    """
    rows = []
    for (run, seed), of_seed in evidence.last.groupby(["run", "seed"]):
        values = {name: loss_ratio("gd")(of_seed[of_seed["control"] == name]) for name in ("none", FRESH, "untrained")}
        model = {"run": run, "seed": seed}
        fresh = values["none"] if run == ENDLESS else values[FRESH]
        rows.append({**model, "control": "none", "trained": values["none"], "fresh": fresh})
        rows.append({**model, "control": "untrained", "trained": values["untrained"], "fresh": values["untrained"]})
    return pd.DataFrame(rows, columns=["run", "seed", "control", "trained", "fresh"])


def task_rows(evidence: Evidence) -> pd.DataFrame:
    """Rows of probe `fixed_tasks`: `fresh`, and `advantage`, by how much the loss on fresh teachers is higher."""
    rows = []
    for ratio in ratios(evidence).to_dict("records"):
        model = {name: ratio[name] for name in ("run", "seed", "control")}
        values = {"fresh": ratio["fresh"], "advantage": ratio["fresh"] / ratio["trained"] - 1}
        rows += [{**model, "probe": "fixed_tasks", "metric": name, "value": x} for name, x in values.items()]
    return Reading.of(rows).table


def compared(metric: str) -> Number:
    """A number of `task_rows`."""
    return lambda rows: single_value(rows, probe="fixed_tasks", metric=metric)
