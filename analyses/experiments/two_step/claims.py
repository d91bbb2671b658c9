"""The ten claims of `two-step`.

Two tuned steps of gradient descent have 1.43 times the loss of two tuned steps of GD++, a cosine to them of .952, a
relative distance of .36 and a mean |f - g| of .17: the bounds allow the model about a quarter of that.
"""

from analyses.claims.claim import Claim, Measure, Source, controls_of
from analyses.claims.measures.regression import (
    alignment,
    cosine_lead,
    identity,
    interpolated_gap,
    loss_gap,
    loss_ratio,
    shift_distance,
    shift_log_ratio,
    shift_ratio,
)
from analyses.experiments.two_step.rise_and_fall import rise_or_fall

PAPER = "von Oswald et al. 2023, section 3"
TRAINING, LARGER_INPUTS = f"{PAPER}, fig. 3a", f"{PAPER} and appendix A.2, figs. 3a and 6b"
MODEL, ONE_LAYER = "two-layers-tied", "one-layer"
RIVAL = "gd_plus_plus"
SHIFTS = ("input_scale", "teacher_scale", "query_scale")
LAWS = ("normal", "exponential", "laplace")
NOISE = ("noisy_labels",)

# Two tuned steps of gradient descent, and two of GD++ with step sizes 1.2 times the tuned ones.
_NEAR = controls_of(MODEL, "constructed_gd", "constructed_larger_step")
_NEGATIVE = controls_of(MODEL, "untrained", "shuffled_labels")
_CONSTRUCTED = controls_of(MODEL, "constructed")

_ALL_CONDITIONS = (
    "Conditions under which GD++ does worse than predicting zero count too. Before, they were left out, and losses "
    "within 15 % were asked for. Seeds 0 to 4 had been judged by the former rule; the bounds come from constructed "
    "models."
)


def _shifted(conditions: tuple[str, ...]) -> tuple[Measure, ...]:
    """The rule on shifted prompts.

    Two steps of GD are at most 1.4 away from GD++ under the shifts and 1.6 under the other laws. The bound is a quarter
    of that. Larger step sizes have log ratios of up to .8, half of which is allowed.
    """
    return (
        Measure("largest |f - g| / |g|", "at most", 0.4, shift_distance(conditions, RIVAL)),
        Measure("largest |log(loss / GD++'s loss)|", "at most", 0.4, shift_log_ratio(conditions, RIVAL)),
    )


CLAIMS = (
    Claim(
        "identity",
        "Among all learners that `identify` knows, in and out of distribution, two steps of GD++ explain the two "
        "layers best.",
        "our addition: the simplest learner that explains the predictions, or none",
        "identified as gd_plus_plus with 2 steps, in at least 95 % of resamples of the prompts",
        (Measure("share of resamples (0: another answer)", "at least", 0.95, identity(RIVAL, 2), ideal=1.0),),
        Source(MODEL),
        # A larger step is still GD++, whose step size the identification fits.
        near_miss=controls_of(MODEL, "constructed_gd", "one_step_fewer"),
        negative=_NEGATIVE,
        positive=_CONSTRUCTED,
        amended="The runner-up had to be worse by 0.005 of the variance, which the construction misses by a hair. When "
        "this was changed, three of seeds 100 to 104 were known to meet the former rule.",
    ),
    Claim(
        "beats-gd",
        "Two trained layers do better than two steps of gradient descent with a tuned step size.",
        TRAINING,
        "loss at most 0.85 of tuned GD's on the same prompts",
        # The ideal is what GD++ would score.
        (Measure("loss / GD's loss", "at most", 0.85, loss_ratio("gd"), ideal=0.7),),
        Source(MODEL),
        near_miss=_NEAR,
        negative=_NEGATIVE,
        positive=_CONSTRUCTED,
    ),
    Claim(
        "loss",
        "The loss of the two layers equals that of two steps of GD++ with tuned gamma and step size.",
        TRAINING,
        "loss within 5 % of tuned GD++'s on the same prompts",
        (Measure("|loss / GD++'s loss - 1|", "at most", 0.05, loss_gap(RIVAL)),),
        Source(MODEL),
        near_miss=_NEAR,
        negative=_NEGATIVE,
        positive=_CONSTRUCTED,
    ),
    Claim(
        "cosine",
        "The layers' prediction changes with the query as GD++'s does, and less like gradient descent's.",
        TRAINING,
        "sensitivity cosine to tuned GD++ at least 0.99, and larger than to tuned GD by 0.02",
        (
            Measure("cosine to GD++", "at least", 0.99, alignment("sensitivity_cosine", RIVAL), ideal=1.0),
            Measure("cosine to GD++ - cosine to GD", "at least", 0.02, cosine_lead(RIVAL, "gd"), ideal=0.05),
        ),
        Source(MODEL),
        near_miss=_NEAR,
        negative=_NEGATIVE,
        positive=_CONSTRUCTED,
    ),
    Claim(
        "prediction",
        "The two layers predict what GD++ predicts.",
        TRAINING,
        "mean |f - g| at most 0.05, and |f - g| / |g| at most 0.1, where f is the model and g is tuned GD++",
        (
            Measure("mean |f - g|", "at most", 0.05, alignment("prediction_difference", RIVAL)),
            Measure("|f - g| / |g|", "at most", 0.1, alignment("relative_distance", RIVAL)),
        ),
        Source(MODEL),
        near_miss=_NEAR,
        negative=_NEGATIVE,
        positive=_CONSTRUCTED,
    ),
    Claim(
        "interpolated",
        "Trained and constructed GD++ weights are the same solution: their average does as well.",
        f"{PAPER} and appendix A.3, figs. 3a and 6b",
        "loss of the averaged weights at most 2 % above tuned GD++'s",
        # Halfway from GD++ with the larger steps it is 5 % above, halfway from gradient descent 32 %.
        (Measure("averaged weights' loss / GD++'s - 1", "at most", 0.02, interpolated_gap),),
        Source(MODEL),
        # Shuffled labels leave weights as they are, and those of untrained models have no scale.
        near_miss=_NEAR,
        positive=_CONSTRUCTED,
        amended="Before, 5 % was allowed, which GD++ with larger steps would meet. Seeds 0 to 4 had been judged by "
        "that rule; the bound is from constructed models.",
    ),
    Claim(
        "shifts",
        "Out of distribution the two layers generalise where GD++ does, and fail where it fails.",
        LARGER_INPUTS,
        "|f - g| / |g| at most 0.4 and losses within a factor of exp(0.4) of tuned GD++'s for every input, teacher and "
        "query scale",
        _shifted(SHIFTS),
        Source(MODEL),
        near_miss=_NEAR,
        negative=_NEGATIVE,
        positive=_CONSTRUCTED,
        amended=_ALL_CONDITIONS,
    ),
    Claim(
        "input-laws",
        "On inputs of laws that they never saw, too, the two layers generalise where GD++ does, and fail where it "
        "fails.",
        f"{PAPER} and appendix A.2, fig. 6b",
        "|f - g| / |g| at most 0.4 and losses within a factor of exp(0.4) of tuned GD++'s for normal, exponential and "
        "Laplace inputs of every norm",
        _shifted(LAWS),
        Source(MODEL),
        near_miss=_NEAR,
        negative=_NEGATIVE,
        positive=_CONSTRUCTED,
    ),
    Claim(
        "noisy-labels",
        "With any number of context labels replaced by noise, the two layers still do what GD++ does. With all labels "
        "replaced, gradient descent does better.",
        "our addition to the paper's shifts",
        "losses within a factor of exp(0.05) of GD++'s for 0 to 10 noisy labels, and at least 1.15 times GD's for 10",
        (
            Measure("largest |log(loss / GD++'s loss)|", "at most", 0.05, shift_log_ratio(NOISE, RIVAL)),
            Measure(
                "loss / GD's loss, all labels noise",
                "at least",
                1.15,
                shift_ratio("noisy_labels", 10.0, "gd"),
                ideal=1.28,
            ),
        ),
        Source(MODEL),
        near_miss=_NEAR,
        negative=_NEGATIVE,
        positive=_CONSTRUCTED,
    ),
    Claim(
        "order",
        "In training the cosine to gradient descent first rises, then falls, as the curvature correction is learnt.",
        TRAINING,
        "its peak is at least 0.5 above its value before training and at least 0.01 above its value at the end",
        (
            Measure("rise to the peak", "at least", 0.5, rise_or_fall("rise"), ideal=1.0),
            Measure("fall from the peak", "at least", 0.01, rise_or_fall("fall"), ideal=0.03),
        ),
        Source(MODEL),
        near_miss={"one_layer": Source(ONE_LAYER)},
    ),
)
