"""The five claims of `sine`; the paper gives no numbers, so the bounds are our reading."""

from analyses.claims.claim import Claim, Measure, Source, controls_of
from analyses.claims.measures.regression import alignment, loss_gap, shift_distance, shift_log_ratio
from analyses.claims.tables import Number, single_value

PAPER = "von Oswald et al. 2023, section 4"
MODEL, LEARNER, RIVAL = "model", "learner", "meta_learned"
CONTROLS = ("untrained", "shuffled_labels", "sine_fit")
SHIFTS = ("input_scale", "amplitude_scale", "phase_shift")


def unshifted(metric: str) -> Number:
    """A distance of `out_of_distribution` on prompts that are not shifted."""
    where = {"probe": "out_of_distribution", "condition": "amplitude_scale", "condition_value": 1.0}
    return lambda rows: single_value(rows, **where, metric=metric, learner=RIVAL)


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
        "losses within a factor of exp(0.25) of each other for every amplitude, phase and input range",
        (Measure("largest |log(loss / learner's loss)|", "at most", 0.25, shift_log_ratio(SHIFTS, RIVAL)),),
        Source(MODEL),
        negative=_NEGATIVE,
        positive=_LEARNER,
    ),
    Claim(
        "shifts-prediction",
        "Beyond its training ranges, too, the model predicts what the learner predicts.",
        f"{PAPER}, and its appendix on out-of-distribution prompts",
        "|f - g| / |g| at most 0.25 for every amplitude, phase and input range",
        (Measure("largest |f - g| / |g|", "at most", 0.25, shift_distance(SHIFTS, RIVAL)),),
        Source(MODEL),
        negative=_NEGATIVE,
        positive=_LEARNER,
    ),
)
