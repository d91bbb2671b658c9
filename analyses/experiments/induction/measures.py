"""When scores and the loss have gone half of their way, and the scores of the best heads."""

import math

import pandas as pd

from analyses.claims.measures.language import head_score
from analyses.claims.tables import Number, single_value
from analyses.evidence import Evidence
from probes.readings.reading import Reading
from probes.readings.schema import COLUMNS
from probes.training_time.formation import Formation
from probes.training_time.series import Series

# For each score that `formation` follows, the layer whose best head is followed; None: the best of all layers.
LAYERS: dict[str, int | None] = {"previous_token": 0, "prefix_matching": None}
TASK_LOSS = Series("loss", {"probe": "induction_scores", "metric": "loss", "prompts": "task"})
TOGETHER, PREVIOUS_FIRST = ("loss", "prefix_matching"), ("previous_token", "prefix_matching")
ORDERS = (TOGETHER, PREVIOUS_FIRST, ("loss", "previous_token"))


def order_rows(evidence: Evidence) -> pd.DataFrame:
    """Rows of probes `best_head` and `formation`: when each score has gone half of its way, and in which order.

    The control `previous_token` puts the previous-token score in the place of prefix matching.
    """
    best = best_rows(evidence.rows)
    scores = tuple(Series(name, {"probe": "best_head", "metric": name}) for name in LAYERS)
    formation = Formation((*scores, TASK_LOSS), ORDERS, shares=(0.5,))
    table = formation(Reading(pd.concat([evidence.rows, best], ignore_index=True))).table
    is_order = (table["metric"] == "order") & (table["series"] == "loss") & (table["before"] == "previous_token")
    replaced = table[is_order].assign(before="prefix_matching")
    control = pd.concat([replaced, best[best["metric"] == "prefix_matching"]], ignore_index=True)
    control = control[control["control"] == "none"].assign(control="previous_token").astype(COLUMNS)
    return pd.concat([best, table, control], ignore_index=True)


def best_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of probe `best_head`: the largest score of a layer's heads at every checkpoint.

    Which head it is differs between seeds, so heads cannot be followed by their number.
    """
    best_scores = []
    for metric, layer in LAYERS.items():
        scores = rows[(rows["probe"] == "induction_scores") & (rows["metric"] == metric)]
        scores = scores if layer is None else scores[scores["layer"] == layer]
        best = scores.groupby(["run", "seed", "control", "step"], as_index=False)["value"].max()
        best_scores += [{**row, "probe": "best_head", "metric": metric} for row in best.to_dict("records")]
    return Reading.of(best_scores).table


def final_prefix_matching(rows: pd.DataFrame) -> float:
    """The best prefix matching at the last checkpoint; NaN where it was not measured."""
    rows = rows[(rows["probe"] == "best_head") & (rows["metric"] == "prefix_matching")]
    return float(rows.sort_values("step")["value"].iloc[-1]) if len(rows) else math.nan


def qk_trace(rows: pd.DataFrame) -> float:
    """The largest QK trace through the head of layer 0 with the best previous-token score; NaN without scores."""
    scores = rows[(rows["probe"] == "induction_scores") & (rows["metric"] == "previous_token") & (rows["layer"] == 0)]
    if scores.empty:
        return math.nan
    head = scores["head"].iloc[int(scores["value"].argmax())]
    traces = rows[(rows["probe"] == "composition") & (rows["metric"] == "qk_trace") & (rows["layer"] == 0)]
    return float(traces[traces["head"] == head]["value"].max())


def of_induction_head(metric: str) -> Number:
    """A score of the head of layer 1 with the best prefix matching."""
    return head_score(metric, "prefix_matching", 1)


def log_lateness(first: str, second: str) -> Number:
    """The logarithm of the second series' half-way step divided by the first one's."""
    return lambda rows: single_value(rows, probe="formation", metric="order", series=first, before=second)


def log_distance(first: str, second: str) -> Number:
    """The absolute value of `log_lateness`."""
    lateness = log_lateness(first, second)
    return lambda rows: abs(lateness(rows))
