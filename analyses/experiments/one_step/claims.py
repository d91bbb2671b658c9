"""The twelve claims of `one-step`, and the numbers that only they need."""

import math

import pandas as pd

from analyses.claims.claim import Claim, Measure, Source, controls_of
from analyses.claims.measures.regression import (
    alignment,
    interpolated_gap,
    largest,
    log_size,
    loss_gap,
    shift_distance,
    shift_log_ratio,
)
from analyses.claims.tables import Number, losses, single_value

PAPER = "von Oswald et al. 2023"
MODEL, ANISOTROPIC, TWO_OUTPUTS = "isotropic", "anisotropic", "two-outputs"
SHIFTS = ("input_scale", "teacher_scale", "query_scale", "normal", "exponential", "laplace")
NOISE = ("noisy_labels",)


def relative_weight_distance(product: str) -> Number:
    """The relative distance of one product of the weights, A or V, to the construction's."""
    return lambda rows: single_value(rows, probe="weight_products", metric="relative_distance", product=product)


def interpolation_gap(rows: pd.DataFrame) -> float:
    """|loss of the averaged weights / tuned GD's loss - 1|."""
    return abs(interpolated_gap(rows))


def rollout_log_ratio(*dampings: float) -> Number:
    """The largest |log(loss / GD's loss)| over all applications at these dampings.

    It covers where losses diverge: a divergence that starts at another application shows as a ratio of losses.
    """

    def ratio(rows: pd.DataFrame) -> float:
        table = losses(rows, "rollout", "damping", "applications").reset_index()
        if table.empty:
            return math.nan
        table = table[table["damping"].isin(dampings)]
        return largest((table["model"] / table["gd"]).map(log_size))

    return ratio


# A fifth away from the construction in relative distance, twice what the rules in distribution allow: step sizes 1.2
# times as large, and step sizes that differ between coordinates.
_LARGER, _UNEVEN = controls_of(MODEL, "constructed_larger_step"), controls_of(MODEL, "constructed_uneven_step")
# One preconditioned step: a trained one, and for weights an exact one, whose products are always defined.
_ANISOTROPIC = {"anisotropic": Source(ANISOTROPIC)}
_PRECONDITIONED = controls_of(ANISOTROPIC, "constructed_preconditioned")
_NEAR = _LARGER | _UNEVEN | _ANISOTROPIC
_NEAR_WEIGHTS = _LARGER | _UNEVEN | _PRECONDITIONED
# Neither has an effect on weights: shuffled labels leave them as they are, and those of untrained models have no scale.
_NEGATIVE = controls_of(MODEL, "untrained", "shuffled_labels")
_CONSTRUCTED = controls_of(MODEL, "constructed")

# One step with sizes of 0.1 to 1.9 times the tuned one is known to be taken for gradient descent. Its relative distance
# to gradient descent is .57, and its loss .43 above in logarithms at input scale 2: a quarter of that is allowed.
_SHIFTED = (
    Measure("largest |f - g| / |g|", "at most", 0.14, shift_distance(SHIFTS)),
    Measure("largest |log(loss / GD's loss)|", "at most", 0.11, shift_log_ratio(SHIFTS)),
)
# A step 1.2 times as large has a |log(loss / GD's loss)| of .33 to .51 at damping 0.75, and of 1.8 to 2.4 at the larger
# ones: about a quarter of the second is allowed, and a tenth of the first.
_DAMPED = Measure("damping 0.75: largest |log(loss / GD's loss)|", "at most", 0.05, rollout_log_ratio(0.75))
_UNDAMPED = Measure("dampings 0.875, 1: largest |log(loss / GD's loss)|", "at most", 0.5, rollout_log_ratio(0.875, 1.0))
_ALL_CONDITIONS = (
    "Conditions under which GD does worse than predicting zero count too. Before, they were left out. When the bounds "
    "were set, seeds 0 and 1 were known: distances of .12 and .10, log ratios of .03 and .07."
)
_IDENTIFIED = (
    "Before, the rule was put to the raw weights, at damping 0.75 alone. When the bounds were set, the log ratios of "
    "seeds 0 and 1 were known: identified weights .03 and .01 at damping 0.75, 1.2 and .8 at the larger ones; raw "
    "weights .03 and .07, .9 and .4."
)

CLAIMS = (
    Claim(
        "loss",
        "The trained layer's loss equals that of one step of gradient descent with a tuned step size.",
        f"{PAPER}, section 3, fig. 2",
        "loss within 2 % of tuned GD's on the same prompts",
        (Measure("|loss / GD's loss - 1|", "at most", 0.02, loss_gap("gd")),),
        Source(MODEL),
        near_miss=_NEAR,
        negative=_NEGATIVE,
        positive=_CONSTRUCTED,
    ),
    Claim(
        "cosine",
        "The layer's prediction changes with its query as the gradient step's does: their sensitivities align.",
        f"{PAPER}, section 3, fig. 2",
        "sensitivity cosine to tuned GD at least 0.995",
        (Measure("sensitivity cosine", "at least", 0.995, alignment("sensitivity_cosine"), ideal=1.0),),
        Source(MODEL),
        # A cosine does not see the size of the step.
        near_miss=_UNEVEN | _ANISOTROPIC,
        negative=_NEGATIVE,
        positive=_CONSTRUCTED,
    ),
    Claim(
        "prediction",
        "The layer predicts what the gradient step predicts.",
        f"{PAPER}, section 3, fig. 2",
        "mean |f - g| at most 0.04, and |f - g| / |g| at most 0.1, where f is the layer and g is tuned GD",
        (
            Measure("mean |f - g|", "at most", 0.04, alignment("prediction_difference")),
            Measure("|f - g| / |g|", "at most", 0.1, alignment("relative_distance")),
        ),
        Source(MODEL),
        near_miss=_NEAR,
        negative=_NEGATIVE,
        positive=_CONSTRUCTED,
    ),
    Claim(
        "interpolated",
        "Trained and constructed weights are the same solution: their average does as well as either.",
        f"{PAPER}, section 3, fig. 2",
        "loss of the averaged weights within 0.5 % of tuned GD's",
        # Halfway to the construction an excess loss is a quarter of the model's, and claim `loss` allows 2 %.
        (Measure("|averaged weights' loss / GD's loss - 1|", "at most", 0.005, interpolation_gap),),
        Source(MODEL),
        near_miss=_NEAR_WEIGHTS,
        positive=_CONSTRUCTED,
        amended="Before, the average was compared with the worse of the two, which every model that is worse than GD "
        "would meet. When the bound was set, seeds 0 and 1 were known: gaps of .0001 and .0002.",
    ),
    Claim(
        "shifts",
        "Out of distribution the layer generalises where the gradient step does, and fails where it fails.",
        f"{PAPER}, section 3 and appendix A.2, figs. 2 and 6a",
        "|f - g| / |g| at most 0.14 and losses within a factor of exp(0.11) of tuned GD's under every condition: "
        "input, teacher and query scale, and normal, exponential and Laplace inputs",
        _SHIFTED,
        Source(MODEL),
        near_miss=_NEAR,
        negative=_NEGATIVE,
        positive=_CONSTRUCTED,
        amended=_ALL_CONDITIONS,
    ),
    Claim(
        "noisy-labels",
        "With any number of context labels replaced by noise, the layer still does what the gradient step does.",
        "our addition to the paper's shifts",
        "|f - g| / |g| at most 0.14 and losses within a factor of exp(0.04) of tuned GD's for 0 to 10 noisy labels",
        (
            Measure("largest |f - g| / |g|", "at most", 0.14, shift_distance(NOISE)),
            Measure("largest |log(loss / GD's loss)|", "at most", 0.04, shift_log_ratio(NOISE)),
        ),
        Source(MODEL),
        near_miss=_NEAR,
        negative=_NEGATIVE,
        positive=_CONSTRUCTED,
        amended="The distance is new. When its bound was set, seeds 0 and 1 were known: .06 with ten noisy labels.",
    ),
    Claim(
        "rollout",
        "Applied repeatedly with damping, the layer keeps descending as gradient descent does, on the entries of its "
        "weights that training identifies.",
        f"{PAPER}, section 3 and appendix A.6, figs. 1 (right) and 10",
        "losses within a factor of exp(0.05) of tuned GD's for 1 to 50 applications at damping 0.75; weight products "
        "that the training loss cannot see are set to zero",
        (_DAMPED,),
        # In the first application the query's y is empty, so one row of A has no effect and keeps its initial value.
        # Later applications depend on that row.
        Source(MODEL, "identified_only"),
        # Damped steps whose sizes differ between coordinates by 20 % end where equal ones do.
        near_miss=_LARGER | _ANISOTROPIC,
        negative=_NEGATIVE,
        positive=_CONSTRUCTED,
        amended=_IDENTIFIED,
    ),
    Claim(
        "rollout-undamped",
        "Applied repeatedly with less damping or none, the layer diverges when gradient descent does, on the entries "
        "of its weights that training identifies.",
        f"{PAPER}, appendix A.6, fig. 10",
        "losses within a factor of exp(0.5) of tuned GD's for 1 to 50 applications at dampings 0.875 and 1; weight "
        "products that the training loss cannot see are set to zero",
        (_UNDAMPED,),
        Source(MODEL, "identified_only"),
        near_miss=_LARGER | _ANISOTROPIC,
        negative=_NEGATIVE,
        positive=_CONSTRUCTED,
        amended=_IDENTIFIED,
    ),
    Claim(
        "rollout-raw",
        "Applied repeatedly, the layer as it was trained does what gradient descent does, also by the entries of its "
        "weights that training does not identify.",
        f"{PAPER}, section 3 and appendix A.6, figs. 1 (right) and 10",
        "losses within a factor of exp(0.05) of tuned GD's for 1 to 50 applications at damping 0.75, and of exp(0.5) "
        "at dampings 0.875 and 1",
        (_DAMPED, _UNDAMPED),
        Source(MODEL),
        near_miss=_LARGER | _ANISOTROPIC,
        negative=_NEGATIVE,
        positive=_CONSTRUCTED,
        explaining=controls_of(MODEL, "identified_only"),
        amended=_IDENTIFIED,
    ),
    Claim(
        "weights",
        "The trained weights are those of the construction, on the entries that change the loss.",
        f"{PAPER}, Prop. 1 and appendix A.4, fig. 9",
        "A and V, rescaled, within 10 % of the construction (Frobenius, identified entries)",
        (
            Measure("A: |M - M*| / |M*|", "at most", 0.1, relative_weight_distance("A")),
            Measure("V: |M - M*| / |M*|", "at most", 0.1, relative_weight_distance("V")),
        ),
        Source(MODEL),
        near_miss=_NEAR_WEIGHTS,
        positive=_CONSTRUCTED,
    ),
    Claim(
        "two-outputs",
        "With two outputs the layer takes the same gradient step for both.",
        f"{PAPER}, Prop. 1, for any number of outputs; our addition to its experiments",
        "loss within 2 % of tuned GD's, |f - g| / |g| at most 0.1, and V, rescaled, within 10 % of the construction, "
        "where the outputs do not mix and share one step size",
        (
            Measure("|loss / GD's loss - 1|", "at most", 0.02, loss_gap("gd")),
            Measure("|f - g| / |g|", "at most", 0.1, alignment("relative_distance")),
            Measure("V: |M - M*| / |M*|", "at most", 0.1, relative_weight_distance("V")),
        ),
        Source(TWO_OUTPUTS),
        near_miss=controls_of(TWO_OUTPUTS, "constructed_larger_step", "constructed_uneven_step"),
        negative=controls_of(TWO_OUTPUTS, "untrained"),
        positive=controls_of(TWO_OUTPUTS, "constructed"),
    ),
    Claim(
        "anisotropic",
        "Where inputs are anisotropic, the layer learns preconditioned gradient descent instead.",
        "Ahn et al. 2023, Thm 1; this run is a negative control of the claims above",
        "sensitivity cosine to plain GD below 0.8, and loss within 2 % of tuned preconditioned GD's",
        (
            Measure("cosine to plain GD", "below", 0.8, alignment("sensitivity_cosine")),
            Measure("|loss / preconditioned GD's loss - 1|", "at most", 0.02, loss_gap("preconditioned_gd")),
        ),
        Source(ANISOTROPIC),
        # Plain gradient descent on the same inputs, exact; and a trained layer that does it on isotropic ones.
        near_miss={**controls_of(ANISOTROPIC, "constructed"), "isotropic": Source(MODEL)},
        negative=controls_of(ANISOTROPIC, "untrained", "shuffled_labels"),
        positive=controls_of(ANISOTROPIC, "constructed_preconditioned"),
        answer="not plain GD, but preconditioned GD",
    ),
)
