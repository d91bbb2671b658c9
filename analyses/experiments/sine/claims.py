"""The six claims of `sine`; the paper gives no numbers, so the bounds are our reading.

A learner whose one step is 1.2 times as large, and one that takes two steps, have a relative distance to the learner of
.16 and .22, a distance of .6 and .8 of its own error, a loss 35 % above and 67 % below its loss, and a distance of the
sensitivities of .16 for the larger step. The fitted sine has .28, 1, -100 % and .4. The bounds allow between a quarter
and a half of the smaller numbers.
"""

import pandas as pd

from analyses.claims.claim import Claim, Measure, Source, controls_of
from analyses.claims.measures.regression import alignment, largest, log_size, loss_gap, shifted
from analyses.claims.tables import Number, single_value
from probes.readings.selection import select

PAPER = "von Oswald et al. 2023"
FIGURE, SHIFTED = f"{PAPER}, section 3 and appendix A.7, fig. 4", "our addition: the paper shifts no sine curves"
MODEL, LEARNER, RIVAL = "model", "learner", "meta_learned"
CONTROLS = ("untrained", "shuffled_labels", "sine_fit")
NEAR_MISSES = ("larger_update", "applied_twice")
SHIFTS = ("input_scale", "amplitude_scale", "phase_shift")


def unshifted(metric: str) -> Number:
    """A distance of `out_of_distribution` on prompts that are not shifted."""
    where = {"probe": "out_of_distribution", "condition": "amplitude_scale", "condition_value": 1.0}
    return lambda rows: single_value(rows, **where, metric=metric, learner=RIVAL)


def distance(beyond: bool) -> Number:
    """The largest |f - g| / |g| over all shifts, of inputs beyond the range of training or of all others."""

    def value(rows: pd.DataFrame) -> float:
        rows = select(rows, probe="out_of_distribution", metric="relative_distance", learner=RIVAL)
        return largest(rows[_chosen(rows, beyond)]["value"])

    return value


def log_ratio(beyond: bool) -> Number:
    """The largest |log(loss / learner's loss)| over all shifts, of inputs beyond the range of training or others."""

    def value(rows: pd.DataFrame) -> float:
        table = shifted(rows, SHIFTS, RIVAL)
        table = table[_chosen(table, beyond)]
        return largest((table["model"] / table[RIVAL]).map(log_size))

    return value


def _chosen(table: pd.DataFrame, beyond: bool) -> pd.Series:
    # Beyond the range of training nothing has fixed what an MLP makes of an input.
    beyond_inputs = (table["condition"] == "input_scale") & (table["condition_value"] > 1)
    return table["condition"].isin(SHIFTS) & (beyond_inputs == beyond)


# The learner with a wrong step is compared, as the learner is, with the learner of another seed.
_NEAR = {**controls_of(LEARNER, *NEAR_MISSES), **controls_of(MODEL, "sine_fit")}
_NEGATIVE = controls_of(MODEL, "untrained", "shuffled_labels")
_OTHER_SEED = {LEARNER: Source(LEARNER)}

_KNOWN = (
    "The learner of another seed replaces the learner itself as positive control. When the bounds were set, two seeds "
    "that were trained for some 4,000 steps were known: {}."
)

CLAIMS = (
    Claim(
        "loss",
        "The trained model's loss equals that of the learner with one explicit gradient step.",
        FIGURE,
        "loss within 10 % of the learner's on the same prompts",
        (Measure("|loss / learner's loss - 1|", "at most", 0.1, loss_gap(RIVAL)),),
        Source(MODEL),
        near_miss=_NEAR,
        negative=_NEGATIVE,
        positive=_OTHER_SEED,
    ),
    Claim(
        "prediction",
        "The model predicts what the learner predicts.",
        FIGURE,
        "|f - g| / |g| at most 0.1, and |f - g| at most 0.35 of |g - target|, the learner's own error, where f is the "
        "model and g is the learner",
        (
            Measure("|f - g| / |g|", "at most", 0.1, alignment("relative_distance", RIVAL)),
            Measure("|f - g| / |g - target|", "at most", 0.35, unshifted("error_ratio")),
        ),
        Source(MODEL),
        near_miss=_NEAR,
        negative=_NEGATIVE,
        positive=_OTHER_SEED,
        amended="Before, the bounds were .15 and .5, which the larger step nearly meets. "
        + _KNOWN.format("distances of .31 and .05"),
    ),
    Claim(
        "slope",
        "The model's prediction changes with its query as the learner's does.",
        FIGURE,
        "sensitivity cosine at least 0.95, and |df - dg| / |dg| of the sensitivities at most 0.1",
        (
            # With one input the cosine of a prompt is +1 or -1: it compares the signs of two slopes.
            Measure("sensitivity cosine", "at least", 0.95, alignment("sensitivity_cosine", RIVAL), ideal=1.0),
            Measure("|df - dg| / |dg|", "at most", 0.1, alignment("sensitivity_distance", RIVAL)),
        ),
        Source(MODEL),
        near_miss=_NEAR,
        negative=_NEGATIVE,
        positive=_OTHER_SEED,
        amended="Before, the rule was the cosine alone, and no near miss could break it. "
        + _KNOWN.format("distances of .31 and .08"),
    ),
    Claim(
        "shifts-loss",
        "On curves of other amplitudes and phases the model generalises where the learner does, and fails where it "
        "fails.",
        SHIFTED,
        "losses within a factor of exp(0.25) of each other for every amplitude and phase, and for input ranges up to "
        "that of training",
        (Measure("largest |log(loss / learner's loss)|", "at most", 0.25, log_ratio(beyond=False)),),
        Source(MODEL),
        near_miss=_NEAR,
        negative=_NEGATIVE,
        positive=_OTHER_SEED,
        amended="Conditions under which the learner does worse than predicting zero count too; wider input ranges are "
        "a claim of their own. " + _KNOWN.format("log ratios of 2.5 and .4"),
    ),
    Claim(
        "shifts-prediction",
        "On curves of other amplitudes and phases, too, the model predicts what the learner predicts.",
        SHIFTED,
        "|f - g| / |g| at most 0.12 for every amplitude and phase, and for input ranges up to that of training",
        # The larger step has .25, and two steps .33 to .44.
        (Measure("largest |f - g| / |g|", "at most", 0.12, distance(beyond=False)),),
        Source(MODEL),
        near_miss=_NEAR,
        negative=_NEGATIVE,
        positive=_OTHER_SEED,
        amended="Conditions under which the learner does worse than predicting zero count too; wider input ranges are "
        "a claim of their own. " + _KNOWN.format("distances of 1 and .2, and the learner of another seed .08"),
    ),
    Claim(
        "beyond-inputs",
        "On inputs beyond the range of training, where the learner does worse than predicting zero, the model fails as "
        "the learner fails.",
        SHIFTED,
        "|f - g| / |g| at most 0.25 and losses within a factor of exp(0.25) of each other for input ranges 1.25 to 2 "
        "times that of training",
        # The fitted sine has 1.0, since the learner's predictions are many times as large as the curve.
        (
            Measure("largest |f - g| / |g|", "at most", 0.25, distance(beyond=True)),
            Measure("largest |log(loss / learner's loss)|", "at most", 0.25, log_ratio(beyond=True)),
        ),
        Source(MODEL),
        near_miss=_NEAR,
        negative=_NEGATIVE,
        positive=_OTHER_SEED,
        amended="Before, these conditions were left out. "
        + _KNOWN.format("distances of 1.6 and .4, and the learner of another seed .5 to .7, which breaks the rule"),
    ),
)
