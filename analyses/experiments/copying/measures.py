"""When copying forms and when the loss falls, and how much more an input's token reacts to the next token."""

from functools import partial

import pandas as pd

from analyses.claims.tables import Number, single_value
from analyses.evidence import Evidence
from probes.readings.reading import Reading
from probes.training_time.formation import Formation
from probes.training_time.series import Series

# Predicting zero is 0 and tuned gradient descent is 1. Training starts below 0: the initial weights already write into
# the channel that the prediction is read from.
_GAP = ({"metric": "learner_loss", "learner": "zero"}, {"metric": "learner_loss", "learner": "gd"})
LOSS = Series("loss", {"probe": "gd_alignment", "metric": "loss", "learner": None}, scale=_GAP, first=0.0)
_EVEN = {"probe": "copying_sensitivity", "parity": "even"}
COPYING = Series("copying", {**_EVEN, "metric": "contrast"}, first=0.0, rising=True)
# The size of the copy may go on growing, or shrink again, after the loss has fallen.
SIZE = Series("size", {**_EVEN, "metric": "next"}, rising=True)
# The same of the previous token, which holds another example's label: a gradient step does not need it.
WRONG = Series("copying", {**_EVEN, "metric": "previous_contrast"}, first=0.0, rising=True)
WRONG_SIZE = Series("size", {**_EVEN, "metric": "previous"}, rising=True)
ORDER, ORDER_OF_SIZE = ("copying", "loss"), ("size", "loss")


def formation_rows(evidence: Evidence) -> pd.DataFrame:
    """Rows of `formation`: change points of copying, by its contrast and by its size, and of the loss, and their order.

    For trained models, and as the control `wrong_neighbour` for the same models with the token before in the place of
    the next one.
    """
    trained = Reading(evidence.rows[evidence.rows["control"] == "none"])
    orders = (ORDER, ORDER_OF_SIZE)
    measured = Formation((COPYING, SIZE, LOSS), orders)(trained)
    wrong = Formation((WRONG, WRONG_SIZE, LOSS), orders)(trained).stamped(control="wrong_neighbour")
    return pd.concat([measured.table, wrong.table], ignore_index=True)


def order(series: str = "copying", share: float = 0.5) -> Number:
    """`formation`'s order of a series and of the loss, at this share of the way of both."""
    return partial(single_value, probe="formation", metric="order", series=series, before="loss", share=share)


def other_by_next(rows: pd.DataFrame) -> float:
    """How much tokens of x react to all other tokens, as a share of how much they react to the next one."""
    value = partial(single_value, rows, probe="copying_sensitivity", parity="even")
    return value(metric="other") / value(metric="next")
