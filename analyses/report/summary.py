"""Readings as a table of text: every metric once, as its mean over seeds."""

import pandas as pd

from analyses.report.numbers import mean_and_interval
from probes.readings.schema import CIRCUMSTANCES

# What a number is about or read from; one column of the summary names them all.
READ_FROM = ("readout", "product", "source", "target", "parity", "scope")
# Of more heads than these, a summary gives the mean; their own numbers stand in the readings.
_HEADS = 16


def summary(rows: pd.DataFrame) -> list[dict[str, str]]:
    """Every metric once: its mean over seeds and 95 % t interval, at the last checkpoint that its probe measured.

    The keys are probe, metric, learner, readout, control, value and seeds.
    """
    # A model whose own step is not known may have a control at step 0.
    own = rows["step"].where(rows["control"] == "none")
    final = own.groupby([rows["run"], rows["seed"], rows["probe"]]).transform("max")
    rows = rows[(rows["step"].fillna(-1) == final.fillna(-1)) | (rows["control"] != "none")]
    few = len(rows[["layer", "head"]].dropna().drop_duplicates()) <= _HEADS
    heads = ["head"] if few else []
    keys = ["probe", "metric", "learner", "learner_step", *READ_FROM, "layer", *heads, "to_input", "control"]
    # Conditions and applications would be a row each: they are for figures, and stand in the readings. The same goes
    # for pairs of heads: a row gives the mean over later heads of the compositions and paths through one input.
    plain = rows[rows[list(CIRCUMSTANCES)].isna().all(axis=1)]
    lines = []
    for key, of_metric in plain.groupby(keys, dropna=False, sort=False):
        value_by_seed = of_metric.groupby("seed")["value"].mean().to_numpy()
        seeds = str(of_metric["seed"].nunique())
        named = {name: "" if pd.isna(value) else str(value) for name, value in zip(keys, key, strict=True)}
        lines.append({**_described(named), "value": mean_and_interval(value_by_seed), "seeds": seeds})
    return lines


def _described(named: dict[str, str]) -> dict[str, str]:
    """What a number is, in the words of the columns that a summary shows."""
    step, layer, head, to = (named.pop(name, "") for name in ("learner_step", "layer", "head", "to_input"))
    named["learner"] += f", step {step}" if step else ""
    location = f"layer {layer}" + (f" head {head}" if head else "") if layer else ""
    location += f" to {to}" if to else ""
    named["readout"] = ", ".join(filter(None, (*(named.pop(name) for name in READ_FROM), location)))
    return named
