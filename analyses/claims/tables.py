"""Tables that claims and figures both read."""

import pandas as pd

from probes.schema import CIRCUMSTANCES


def losses(rows: pd.DataFrame, probe: str, *by: str) -> pd.DataFrame:
    """Losses side by side: columns `model` and one for each learner, at its last step, indexed by the columns `by`."""
    chosen = rows[(rows["probe"] == probe) & rows["metric"].isin(["loss", "learner_loss"])]
    named = chosen.assign(who=chosen["learner"].fillna("model"))
    keys = ["run", "seed", "step", "control", *CIRCUMSTANCES, "applications", "who"]
    named = named.sort_values("learner_step", kind="stable").drop_duplicates(keys, keep="last")
    return named.set_index([*by, "who"])["value"].unstack("who")


def relative_curves(curves: pd.DataFrame) -> pd.DataFrame:
    """Learning curves with a column `share`: the held-out loss in units of predicting zero on the same prompts.

    That is what a model does, but for a thousandth, before its first step.
    """
    start = curves[curves["step"] == 0].set_index(["run", "seed"])["held_out_loss"].rename("start")
    joined = curves.join(start, on=["run", "seed"])
    return joined.assign(share=joined["held_out_loss"] / joined["start"]).drop(columns="start")


def shares_of_zero(rows: pd.DataFrame) -> pd.DataFrame:
    """`gd_alignment`'s losses in units of predict-zero's: `losses` by run, control, seed and step, divided."""
    table = losses(rows[rows["learner_step"].fillna(1) == 1], "gd_alignment", "run", "control", "seed", "step")
    return table.div(table["zero"], axis=0)
