"""The claims of `layer-norm`, for one layer and for two; the paper gives no numbers, so the bounds are our reading."""

import pandas as pd

from analyses.claims.claim import Claim, Measure, Source, controls_of
from analyses.claims.measures.regression import alignment, gap_closed, largest, loss_ratio, shifted
from analyses.claims.tables import Number

PAPER = "von Oswald et al. 2023"
NORM, LINEAR = "layer-norm", "linear"
TWO_NORM, TWO_LINEAR = "two-layers-norm", "two-layers"
# Inputs count as much larger from this factor on.
MUCH_LARGER = 2.0


def on_larger_inputs(learner: str, rival: str) -> Number:
    """The largest loss / learner's loss over the input scales from `MUCH_LARGER` on; the learner is `rival` or zero."""

    def ratio(rows: pd.DataFrame) -> float:
        table = shifted(rows, ("input_scale",), rival)
        table = table[table["condition_value"] >= MUCH_LARGER]
        return largest(table["model"] / table[learner])

    return ratio


def _claims(
    short: str, norm: str, linear: str, subject: str, rival: str, steps: str, largest_share: float
) -> tuple[Claim, ...]:
    """The three rules for models of one depth, compared with as many steps of the learner `rival`.

    `largest_share` is the share of predict-zero's loss that a model may have at most on much larger inputs.
    """
    negative = controls_of(norm, "untrained", "shuffled_labels")
    built = controls_of(norm, "constructed_normed")
    # The same layers, trained without the norm.
    without_norm = {"linear": Source(linear)}
    # The trained model, with a preconditioner that is a rotation by 60 degrees: its cosine is half of the model's.
    turned = controls_of(norm, "turned_queries")
    # Apart from `largest_share` the bounds for two layers are those for one.
    return (
        Claim(
            f"{short}loss",
            f"Behind a LayerNorm {subject} learn, but their loss no longer matches that of {steps}.",
            f"{PAPER}, appendix A.9",
            "loss at least 5 % above the tuned learner's, and at least half of the gap from predict-zero's closed",
            (
                Measure("loss / the learner's loss", "at least", 1.05, loss_ratio(rival), ideal=1.2),
                Measure("share of the gap closed", "at least", 0.5, gap_closed(rival), ideal=1.0),
            ),
            Source(norm),
            near_miss={**without_norm, **turned},
            negative=negative,
            positive=built,
        ),
        Claim(
            f"{short}cosine",
            f"Behind a LayerNorm {subject} still have a sensitivity to the query similar to that of {steps}.",
            f"{PAPER}, appendix A.9 (a reasonable cosine)",
            "sensitivity cosine to the tuned learner at least 0.7",
            (Measure("sensitivity cosine", "at least", 0.7, alignment("sensitivity_cosine", rival), ideal=1.0),),
            Source(norm),
            near_miss=turned,
            negative=negative,
            # The norm removes two of eleven directions from the sensitivity: the query's own, and the mean over
            # channels.
            positive={**built, **without_norm},
        ),
        Claim(
            f"{short}larger-inputs",
            f"For much larger inputs, where {steps} can diverge, {subject} behind a LayerNorm do better.",
            f"{PAPER}, appendix A.9",
            "at input scales 2, 3 and 4: loss at most 0.8 times the tuned learner's, and at most "
            f"{largest_share:g} times predict-zero's",
            (
                Measure("largest loss / the learner's loss", "at most", 0.8, on_larger_inputs(rival, rival)),
                Measure(
                    "largest loss / predict-zero's loss",
                    "at most",
                    largest_share,
                    on_larger_inputs("zero", rival),
                    ideal=0.5,
                ),
            ),
            Source(norm),
            near_miss={**without_norm, **turned},
            negative=negative,
            positive=built,
            amended="The bound on predict-zero's share was 0.95, which the construction on turned queries met: it has "
            "0.92 with one layer and 0.90 with two, the construction 0.83 and 0.74. The bound is now about a quarter "
            "of the way between them. One trained seed of two layers was known, at 0.70.",
        ),
    )


CLAIMS = (
    *_claims("", NORM, LINEAR, "models of one layer", "gd", "a tuned step of gradient descent", 0.86),
    *_claims(
        "two-", TWO_NORM, TWO_LINEAR, "models of two tied layers", "gd_plus_plus", "two tuned steps of GD++", 0.78
    ),
)
