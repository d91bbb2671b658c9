"""The four claims of `induction-step`; each says what was amended.

The step is one unnormalised step of gradient descent from zero, on the squared loss, of one-hot tokens: it predicts in
proportion to raw counts. Steps of another loss, on other features, or divided by the number of matches, are not tested.
"""

from collections.abc import Sequence

import pandas as pd

from analyses.claims.claim import Claim, Measure, Source, controls_of
from analyses.claims.measures.language import token_gap
from analyses.claims.tables import Number, single_value

SOURCE = "our question, after von Oswald et al. 2023; the numbers are ours"
SOFTMAX, LINEAR, ONE_LAYER = "softmax", "linear", "one-layer"
_ONE_LAYER = {"one_layer": Source(ONE_LAYER)}
# All runs train for longer than those of seeds 100 to 104.
_LONGER = (
    "Models of seeds 100 to 104 were looked at; there a loss counted as settled while it still fell by up to 3 % of "
    "what there is to learn."
)
STEP, BIGRAM = "gradient_step", "smoothed_log_bigram"
# The predictors that the claim about the step compares it with, and those that the claim about the bigram does.
RIVALS = (BIGRAM, "normalised_bigram", "most_recent", "unigram", "uniform")
OTHERS = (STEP, *RIVALS[1:])


def distance(learner: str) -> Number:
    """The relative distance of the last layer's head to a predictor."""
    return lambda rows: single_value(_of_last_head(rows), learner=learner)


def lead(learner: str, others: Sequence[str]) -> Number:
    """By how much the head is nearer to one predictor than to the nearest of the others."""
    return lambda rows: min(distance(name)(rows) for name in others) - distance(learner)(rows)


def _of_last_head(rows: pd.DataFrame) -> pd.DataFrame:
    rows = rows[(rows["probe"] == "induction_as_gradient_step") & (rows["scope"] == "head") & (rows["layer"] == 1)]
    return rows[rows["metric"] == "relative_distance"]


def _negative(run: str) -> dict[str, Source]:
    return controls_of(run, "untrained", "shuffled_tokens")


CLAIMS = (
    Claim(
        "linear-step",
        "A linear head writes one unnormalised gradient step of the squared loss on one-hot tokens: of all predictors "
        "compared its logits are nearest to raw counts.",
        SOURCE,
        "relative L2 distance of layer 1's head to the step at most 0.5, and at least 0.05 smaller than to every rival",
        (
            Measure("|f - a g| / |f|, g the step", "at most", 0.5, distance(STEP)),
            Measure("nearest rival's minus the step's", "at least", 0.05, lead(STEP, RIVALS), ideal=0.4),
        ),
        Source(LINEAR),
        # The same model on the same data, whose second layer divides by a sum over what it attends to.
        near_miss={"softmax": Source(SOFTMAX)},
        negative=_negative(LINEAR),
        positive=controls_of(LINEAR, "constructed_pair_step"),
        amended="Its numbers were chosen after a look at one such model, which is not among these seeds. " + _LONGER,
    ),
    Claim(
        "softmax-bigram",
        "A softmax head does not write one unnormalised gradient step of the squared loss on one-hot tokens: of all "
        "predictors compared its logits are nearest to the smoothed log bigram. Other losses, features and normalised "
        "steps are not tested.",
        SOURCE,
        "relative L2 distance of layer 1's head to the log bigram at most 0.5, and at least 0.05 smaller than to every "
        "other predictor, the step included",
        (
            Measure("|f - a g| / |f|, g the log bigram", "at most", 0.5, distance(BIGRAM)),
            Measure("nearest other's minus the log bigram's", "at least", 0.05, lead(BIGRAM, OTHERS), 0.4),
        ),
        Source(SOFTMAX),
        # A trained linear second layer and the constructed step write counts of the same pairs; the constructed
        # induction head averages them.
        near_miss={"linear": Source(LINEAR), **controls_of(SOFTMAX, "constructed_pair_step", "constructed_induction")},
        negative=_negative(SOFTMAX),
        answer="not one unnormalised gradient step of the squared loss, but the smoothed log bigram",
        amended="The rule allowed the nearer of two bigrams; the smoothed one was nearer in all of seeds 0 to 4. The "
        f"sentence now says which step is tested. {_LONGER}",
    ),
    Claim(
        "linear-learns",
        "With a linear second layer the model does better than counting symbols.",
        "a condition of the first claim; the number is ours",
        "at least half of the gap between the unigram's and the best loss closed",
        (Measure("share of the gap closed", "at least", 0.5, token_gap("unigram", "best"), ideal=1.0),),
        Source(LINEAR),
        # One layer learns from the same data to count symbols, and no more.
        near_miss=_ONE_LAYER,
        negative=_negative(LINEAR),
        positive=controls_of(LINEAR, "best_predictor"),
        amended=_LONGER,
    ),
    Claim(
        "softmax-learns",
        "With a softmax second layer the model comes close to the best possible prediction.",
        "a condition of the second claim; the number is ours",
        "at least 90 % of the gap between the unigram's and the best loss closed",
        (Measure("share of the gap closed", "at least", 0.9, token_gap("unigram", "best"), ideal=1.0),),
        Source(SOFTMAX),
        # A linear second layer can count transitions, and does not come as close.
        near_miss={**_ONE_LAYER, "linear": Source(LINEAR)},
        negative=_negative(SOFTMAX),
        positive=controls_of(SOFTMAX, "best_predictor"),
        amended="80 % was asked for, which two of five models with a linear second layer reached on seeds 100 to 104. "
        f"The softmax models had 92 % there. {_LONGER}",
    ),
)
