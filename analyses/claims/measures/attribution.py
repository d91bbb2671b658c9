"""The numbers that rules about attribution are made of: each takes the rows of one seed of one subject."""

import math

import pandas as pd

from analyses.claims.tables import Number, single_value
from probes.readings.selection import select

PROBE = "head_attribution"


def faithfulness(rows: pd.DataFrame) -> float:
    """What remains, on fresh prompts, with only the smallest set of heads."""
    return single_value(rows, probe=PROBE, metric="faithfulness")


def completeness(rows: pd.DataFrame) -> float:
    """What remains, on fresh prompts, without that set."""
    return single_value(rows, probe=PROBE, metric="completeness")


def members(rows: pd.DataFrame) -> pd.DataFrame:
    """The heads of the smallest set: columns layer and head."""
    rows = rows[(rows["probe"] == PROBE) & (rows["metric"] == "circuit") & (rows["value"] == 1)]
    return rows[["layer", "head"]]


def circuit_layers(rows: pd.DataFrame) -> float:
    """How many layers the smallest set has heads in."""
    circuit = members(rows)
    return float(circuit["layer"].nunique()) if len(circuit) else math.nan


def circuit_size(rows: pd.DataFrame) -> float:
    """How many heads the smallest set has; NaN where none was found."""
    count = len(members(rows))
    return float(count) if count else math.nan


def joint_share(to_input: str) -> Number:
    """The share lost when all earlier heads' corrupted writes reach this input of all heads of layer 1."""
    return lambda rows: single_value(rows, probe=PROBE, metric="joint_path", to_layer=1, to_input=to_input)


def key_lead(rows: pd.DataFrame) -> float:
    """What is lost through all keys of layer 1 together, minus the larger loss through its queries or its values."""
    through_q, through_k, through_v = (joint_share(name)(rows) for name in ("q", "k", "v"))
    return through_k - max(through_q, through_v)


def remains(ablation: str, hold_patterns: bool = False, most: bool = True) -> Number:
    """What remains after ablating one head: the largest over heads (`most`), or the smallest."""
    metric = "ablated_patterns_held" if hold_patterns else "ablated"

    def value(rows: pd.DataFrame) -> float:
        remaining = select(rows, probe=PROBE, metric=metric, ablation=ablation)["value"]
        return float(remaining.max() if most else remaining.min()) if len(remaining) else math.nan

    return value


def agreement(rows: pd.DataFrame, most: bool = True) -> float:
    """How far prompts agree with the clean run without one head: the largest over heads (`most`), or the smallest."""
    values = select(rows, probe=PROBE, metric="agreement")["value"]
    return float(values.max() if most else values.min()) if len(values) else math.nan


def gain(rows: pd.DataFrame) -> float:
    """The read-out on clean prompts minus that on corrupted ones."""
    clean, corrupted = (single_value(rows, probe=PROBE, metric=name) for name in ("clean", "corrupted"))
    return clean - corrupted


def direct_total(rows: pd.DataFrame) -> float:
    """What all heads together write directly, as a share of the behaviour."""
    shares = select(rows, probe=PROBE, metric="direct")["value"]
    return float(shares.sum(skipna=False)) if len(shares) else math.nan


def without_layer(layer: int) -> Number:
    """What remains when every head of a layer of one or two heads is replaced by its mean."""

    def value(rows: pd.DataFrame) -> float:
        rows = rows[(rows["probe"] == PROBE) & (rows["layer"] == layer) & (rows["ablation"] == "mean")]
        alone = rows[rows["metric"] == "ablated"]
        both = rows[(rows["metric"] == "pair") & (rows["to_layer"] == layer)]
        remaining = alone if len(alone) == 1 else both if len(alone) == 2 else alone.iloc[:0]
        return float(remaining["value"].iloc[0]) if len(remaining) == 1 else math.nan

    return value
