"""The ranked list of heads, and the role of each, from a reading of `head_attribution`."""

import math

import pandas as pd

# What remains without a head must differ from 1 by this much for the head to have a role.
LEAST = 0.05


def ranked(table: pd.DataFrame, ablation: str = "mean", least: float = LEAST) -> pd.DataFrame:
    """One row a head, the one that matters most first: layer, head, direct, ablated, held, role.

    `table` holds one reading (one run, seed, step and control). `direct` is a share of the behaviour. `ablated` is what
    remains under this ablation, and `held` the same with attention patterns held. The role depends on `ablated`: a head
    carries the behaviour where less than 1 - `least` remains, and counteracts it where more than 1 + `least` remains.
    Otherwise its role is none. Where either of two heads is enough, both have the role none: the rows `pair` show them.
    Raises ValueError for a table without these rows or with several readings.

    >>> first = {"layer": 0, "head": 1}
    >>> rows = [{"metric": "direct", **first, "value": 0.9}]
    >>> rows += [{"metric": metric, "ablation": "mean", **first, "value": 0.2}
    ...          for metric in ("ablated", "ablated_patterns_held")]
    >>> ranked(pd.DataFrame(rows)).to_dict("records")
    [{'layer': 0, 'head': 1, 'direct': 0.9, 'ablated': 0.2, 'held': 0.2, 'role': 'carries'}]
    """
    columns = {"direct": _values(table, "direct", None)}
    for column, metric in (("ablated", "ablated"), ("held", "ablated_patterns_held")):
        columns[column] = _values(table, metric, ablation)
    heads = pd.DataFrame(columns)
    heads["role"] = [_role(value, least) for value in heads["ablated"]]
    weight = pd.concat([(1 - heads["ablated"]).abs(), heads["direct"].abs()], axis=1).max(axis=1)
    order = weight.sort_values(ascending=False, kind="stable").index
    return heads.loc[order].reset_index()


def _values(table: pd.DataFrame, metric: str, ablation: str | None) -> pd.Series:
    rows = table[table["metric"] == metric]
    if ablation is not None:
        rows = rows[rows["ablation"] == ablation]
    if rows.empty:
        described = metric if ablation is None else f"{metric} under {ablation} ablation"
        raise ValueError(f"table: it has no rows {described}")
    values = rows.set_index(["layer", "head"])["value"]
    if values.index.has_duplicates:
        raise ValueError("table: several rows a head: give one run, seed, step, control and read-out")
    return values


def _role(remains: float, least: float) -> str:
    if math.isnan(remains):
        return "-"
    if remains < 1 - least:
        return "carries"
    return "counteracts" if remains > 1 + least else "none"
