"""The five claims of `sine`; the paper gives no numbers, so the bounds are our reading."""

import pandas as pd

from analyses.claims.claim import Claim, Measure, Source, controls_of
from analyses.claims.measures.regression import alignment, loss_gap, shift_gap, shifted, worst
from analyses.claims.tables import Number, single_value

PAPER = "von Oswald et al. 2023, section 4"
MODEL, LEARNER, RIVAL = "model", "learner", "meta_learned"
CONTROLS = ("untrained", "shuffled_labels", "sine_fit")
SHIFTS = ("input_scale", "amplitude_scale", "phase_shift")


def unshifted(metric: str) -> Number:
    """A distance of `out_of_distribution` on prompts that are not shifted."""
    where = {"probe": "out_of_distribution", "condition": "amplitude_scale", "condition_value": 1.0}
    return lambda rows: single_value(rows, **where, metric=metric, learner=RIVAL)


def largest_shifted_distance(rows: pd.DataFrame) -> float:
    """The largest |f - g| / |g| over all shifts under which the learner does better than predicting zero."""
    condition = ["condition", "condition_value"]
    table = shifted(rows, SHIFTS, RIVAL)
    table = table[table[RIVAL] < table["zero"]].set_index(condition)
    distances = rows[(rows["probe"] == "out_of_distribution") & (rows["metric"] == "relative_distance")]
    return worst(distances.set_index(condition)["value"].reindex(table.index))


_NEGATIVE = controls_of(MODEL, *CONTROLS)
_LEARNER = {LEARNER: Source(LEARNER)}

CLAIMS = (
    Claim(
        "loss",
        "The trained model's loss equals that of the learner with one explicit gradient step.",
        f"{PAPER}, fig. 4",
        "loss within 10 % of the learner's on the same prompts",
        (Measure("|loss / learner's loss - 1|", "at most", 0.1, loss_gap(RIVAL)),),
        Source(MODEL),
        negative=_NEGATIVE,
        positive=_LEARNER,
    ),
    Claim(
        "prediction",
        "The model predicts what the learner predicts.",
        f"{PAPER}, fig. 4",
        "|f - g| / |g| at most 0.15, and |f - g| at most half of |g - target|, the learner's own error, where f is the "
        "model and g is the learner",
        (
            Measure("|f - g| / |g|", "at most", 0.15, alignment("relative_distance", RIVAL)),
            Measure("|f - g| / |g - target|", "at most", 0.5, unshifted("error_ratio")),
        ),
        Source(MODEL),
        negative=_NEGATIVE,
        positive=_LEARNER,
    ),
    Claim(
        "cosine",
        "The model's prediction changes with its query as the learner's does: the slopes of both curves agree in sign.",
        f"{PAPER}, fig. 4",
        "sensitivity cosine at least 0.95; with one input it is +1 or -1 for each prompt",
        (Measure("sensitivity cosine", "at least", 0.95, alignment("sensitivity_cosine", RIVAL), ideal=1.0),),
        Source(MODEL),
        # In one dimension a cosine compares two signs. The slope of the true curve has the sign of both, so the fitted
        # sine meets the rule and is no negative control.
        negative=controls_of(MODEL, "untrained", "shuffled_labels"),
        positive=_LEARNER,
        explaining=controls_of(MODEL, "sine_fit"),
    ),
    Claim(
        "shifts-loss",
        "Beyond its training ranges the model generalises where the learner does, and fails where it fails.",
        f"{PAPER}, and its appendix on out-of-distribution prompts",
        "losses within 25 % for every amplitude, phase and input range in which the learner beats predict-zero",
        (Measure("largest |loss / learner's loss - 1|", "at most", 0.25, shift_gap(SHIFTS, RIVAL)),),
        Source(MODEL),
        negative=_NEGATIVE,
        positive=_LEARNER,
    ),
    Claim(
        "shifts-prediction",
        "Beyond its training ranges, too, the model predicts what the learner predicts.",
        f"{PAPER}, and its appendix on out-of-distribution prompts",
        "|f - g| / |g| at most 0.25 in all ranges in which the learner beats predict-zero",
        (Measure("largest |f - g| / |g|", "at most", 0.25, largest_shifted_distance),),
        Source(MODEL),
        negative=_NEGATIVE,
        positive=_LEARNER,
    ),
)
