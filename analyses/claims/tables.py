"""Numbers and tables that claims and figures both take from the rows of readings."""

import math
from collections.abc import Callable
from typing import TypeAlias

import pandas as pd

from probes.readings.schema import CIRCUMSTANCES
from probes.readings.selection import select

# A number of a rule: it takes the rows of one seed of one subject, and is NaN where it was not measured.
Number: TypeAlias = Callable[[pd.DataFrame], float]


def single_value(rows: pd.DataFrame, **where: object) -> float:
    """The value of the one row that `select` finds; NaN where it finds none or several."""
    rows = select(rows, **where)
    return float(rows["value"].iloc[0]) if len(rows) == 1 else math.nan


def last_step_value(rows: pd.DataFrame, **where: object) -> float:
    """The value for the model's own prediction, not a layer's, at the last step of the learner it is compared with."""
    rows = select(rows, layer=None, **where)
    if rows["learner_step"].notna().any():
        rows = rows[rows["learner_step"] == rows["learner_step"].max()]
    return single_value(rows)


def losses(rows: pd.DataFrame, probe: str, *by: str) -> pd.DataFrame:
    """Losses side by side: columns `model` and one for each learner, at its last step, indexed by the columns `by`."""
    of_losses = rows[(rows["probe"] == probe) & rows["metric"].isin(["loss", "learner_loss"])]
    named = of_losses.assign(predictor=of_losses["learner"].fillna("model"))
    keys = ["run", "seed", "step", "control", *CIRCUMSTANCES, "applications", "predictor"]
    named = named.sort_values("learner_step", kind="stable").drop_duplicates(keys, keep="last")
    return named.set_index([*by, "predictor"])["value"].unstack("predictor")


def relative_curves(curves: pd.DataFrame) -> pd.DataFrame:
    """Learning curves with a column `share`: the held-out loss in units of predicting zero on the same prompts.

    The loss before the first step stands for that of predicting zero; they differ by about a thousandth.
    """
    start = curves[curves["step"] == 0].set_index(["run", "seed"])["held_out_loss"].rename("start")
    joined = curves.join(start, on=["run", "seed"])
    return joined.assign(share=joined["held_out_loss"] / joined["start"]).drop(columns="start")


def shares_of_zero(rows: pd.DataFrame) -> pd.DataFrame:
    """`gd_alignment`'s losses in units of predict-zero's: `losses` by run, control, seed and step, divided."""
    table = losses(rows[rows["learner_step"].fillna(1) == 1], "gd_alignment", "run", "control", "seed", "step")
    return table.div(table["zero"], axis=0)
