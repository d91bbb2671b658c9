"""The three claims of `layer-norm`; the paper gives no numbers, so the bounds are our reading."""

import pandas as pd

from analyses.claims.claim import Claim, Measure, Source, controls_of
from analyses.claims.measures.regression import alignment, gap_closed, largest, loss_ratio, shifted
from analyses.claims.tables import Number

PAPER = "von Oswald et al. 2023"
NORM, LINEAR = "layer-norm", "linear"
# Inputs count as much larger from this factor on.
MUCH_LARGER = 2.0


def on_larger_inputs(learner: str) -> Number:
    """The largest loss / learner's loss over the input scales from `MUCH_LARGER` on."""

    def ratio(rows: pd.DataFrame) -> float:
        table = shifted(rows, ("input_scale",))
        table = table[table["condition_value"] >= MUCH_LARGER]
        return largest(table["model"] / table[learner])

    return ratio


_BLIND = controls_of(NORM, "untrained", "shuffled_labels")
_LINEAR = {"linear": Source(LINEAR)}
_CONSTRUCTED = controls_of(NORM, "constructed_normed")

CLAIMS = (
    Claim(
        "loss",
        "Behind a LayerNorm the layer learns, but its loss no longer matches gradient descent's.",
        f"{PAPER}, appendix A.9",
        "loss at least 5 % above tuned GD's, and at least half of the gap from predict-zero's closed",
        (
            Measure("loss / GD's loss", "at least", 1.05, loss_ratio("gd"), ideal=1.2),
            Measure("share of the gap closed", "at least", 0.5, gap_closed("gd"), ideal=1.0),
        ),
        Source(NORM),
        negative={**_BLIND, **_LINEAR},
        positive=_CONSTRUCTED,
    ),
    Claim(
        "cosine",
        "Behind a LayerNorm the layer's prediction still changes with its query much as the gradient step's does.",
        f"{PAPER}, appendix A.9 (a reasonable cosine)",
        "sensitivity cosine to tuned GD at least 0.7",
        (Measure("sensitivity cosine", "at least", 0.7, alignment("sensitivity_cosine"), ideal=1.0),),
        Source(NORM),
        negative=_BLIND,
        # The norm removes two of eleven directions from the sensitivity: the query's own, and the mean over channels.
        positive={**_CONSTRUCTED, **_LINEAR},
    ),
    Claim(
        "larger-inputs",
        "For much larger inputs, where gradient descent diverges, the layer behind a LayerNorm does better.",
        f"{PAPER}, appendix A.9",
        "at input scales 2, 3 and 4: loss at most 0.8 times tuned GD's, and at most 0.95 times predict-zero's",
        (
            Measure("largest loss / GD's loss", "at most", 0.8, on_larger_inputs("gd")),
            Measure("largest loss / predict-zero's loss", "at most", 0.95, on_larger_inputs("zero"), ideal=0.5),
        ),
        Source(NORM),
        negative={**_BLIND, **_LINEAR},
        positive=_CONSTRUCTED,
    ),
)
