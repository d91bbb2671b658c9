"""Losses on the teachers or prompts of training and on fresh ones, and how late the latter fall."""

import math

import numpy as np
import pandas as pd

from analyses.claims.measures.regression import loss_ratio
from analyses.claims.tables import Number, single_value
from analyses.evidence import Evidence
from analyses.experiments.plateau.times import first_below
from probes.readings.reading import Reading
from tasks.regression.linear_regression import LinearRegression
from tasks.regression.posterior import SetPosterior

FRESH = "fresh_teachers"
# The numbers that fit a finite set best, on the set and on fresh prompts.
FITTED, FITTED_FRESH = "constructed_preconditioned", "constructed_preconditioned_fresh"
# A learning curve made from a run's own, in which the held-out loss falls four times as late as the training loss.
LATE, HOW_LATE = "late_held_out", 4.0
ENDLESS = "endless"
# The Bayes predictor of a known set of teachers, as a rival.
POOL = "teacher_pool"


def layer_of(count: int) -> str:
    """The name of the run of a layer trained on this many tasks."""
    return f"tasks-{count}"


def block_of(count: int) -> str:
    """The name of the run of a whole block trained on this many tasks."""
    return f"block-tasks-{count}"


def set_of(count: int) -> str:
    """The name of the run of a layer trained on a fixed set of this many prompts."""
    return f"set-{count}"


def block_set_of(count: int) -> str:
    """The name of the run of a whole block trained on a fixed set of this many prompts."""
    return f"block-set-{count}"


def teacher_pool(count: int) -> SetPosterior:
    """The Bayes predictor of a known set of this many teachers: the mean of those that fit the context."""
    return SetPosterior(LinearRegression(teachers=count).teacher_set, noise=0.0, name=POOL)


def ratios(evidence: Evidence) -> pd.DataFrame:
    """Losses in units of tuned GD's on the same prompts: columns run, seed, control, trained and fresh.

    Untrained models and models of endless teachers have no trained teachers: both columns hold the loss on fresh ones.
    Where a set of prompts is fixed, `trained` is the loss on them.
    """
    rows = []
    controls = ("none", FRESH, "untrained", FITTED, FITTED_FRESH)
    for (run, seed), of_seed in evidence.last.groupby(["run", "seed"]):
        values = {name: loss_ratio("gd")(of_seed[of_seed["control"] == name]) for name in controls}
        model = {"run": run, "seed": seed}
        fresh = values["none"] if run == ENDLESS else values[FRESH]
        rows.append({**model, "control": "none", "trained": values["none"], "fresh": fresh})
        rows.append({**model, "control": "untrained", "trained": values["untrained"], "fresh": values["untrained"]})
        if not math.isnan(values[FITTED]):
            rows.append({**model, "control": FITTED, "trained": values[FITTED], "fresh": values[FITTED_FRESH]})
    return pd.DataFrame(rows, columns=["run", "seed", "control", "trained", "fresh"])


def delay(curve: pd.DataFrame) -> float:
    """How many times as late as the training loss the held-out loss falls; about 1 where they fall together.

    Both are looked at when they fall below one level: nine tenths of the way from the first held-out loss to the
    lowest. NaN where the training loss never does.

    >>> steps = [0, 10, 20, 30, 40]
    >>> train, held_out = [0.4, 0.1, 0.1, 0.1, 0.1], [0.4, 0.4, 0.3, 0.1, 0.1]
    >>> delay(pd.DataFrame({"step": steps, "train_loss": train, "held_out_loss": held_out}))
    3.0
    """
    curve = curve.sort_values("step")
    steps, held_out = curve["step"].to_numpy(), curve["held_out_loss"].to_numpy()
    level = held_out[0] - 0.9 * (held_out[0] - held_out.min())
    trained, tested = (first_below(steps, curve[name].to_numpy(), level) for name in ("train_loss", "held_out_loss"))
    return tested / trained if trained else math.nan


def late(curve: pd.DataFrame) -> pd.DataFrame:
    """The curve of a model that does on other prompts at step 4 s what this one did on its own prompts at step s.

    Its `delay` is 4 wherever the training loss falls and the evaluations are dense enough.

    >>> curve = pd.DataFrame({"step": [0, 10, 20, 30, 40], "train_loss": [0.4, 0.1, 0.1, 0.1, 0.1]})
    >>> delay(late(curve.assign(held_out_loss=0.4)))
    4.0
    """
    curve = curve.sort_values("step")
    # Before the first step there is no training loss; an untrained model does as badly on any prompts.
    losses = curve["train_loss"].fillna(curve["held_out_loss"]).to_numpy()
    steps = curve["step"].to_numpy()
    return curve.assign(held_out_loss=np.interp(steps / HOW_LATE, steps, losses))


def task_rows(evidence: Evidence) -> pd.DataFrame:
    """Rows of probe `fixed_tasks`.

    `fresh`: the loss on fresh teachers. `advantage`: by how much it is higher than that on the trained ones. `delay`:
    see there; the control `late_held_out` has that of a curve made by `late`.
    """
    rows: list[dict[str, object]] = []
    for (run, seed), curve in evidence.curves.groupby(["run", "seed"]):
        for control, of_control in {"none": curve, LATE: late(curve)}.items():
            model = {"run": run, "seed": seed, "control": control, "probe": "fixed_tasks"}
            rows.append({**model, "metric": "delay", "value": delay(of_control)})
    for ratio in ratios(evidence).to_dict("records"):
        model = {name: ratio[name] for name in ("run", "seed", "control")}
        values = {"fresh": ratio["fresh"], "advantage": ratio["fresh"] / ratio["trained"] - 1}
        rows += [{**model, "probe": "fixed_tasks", "metric": name, "value": x} for name, x in values.items()]
    return Reading.of(rows).table


def compared(metric: str) -> Number:
    """A number of `task_rows`."""
    return lambda rows: single_value(rows, probe="fixed_tasks", metric=metric)
