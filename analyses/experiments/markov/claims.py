"""The four claims of `markov`."""

from analyses.claims.claim import Claim, Measure, Source, controls_of
from analyses.claims.measures.language import token_gap
from analyses.experiments.markov.measures import phase, previous_token

PAPER = "Edelman et al. 2024"
TWO, ONE, FROZEN = "two-layers", "one-layer", "frozen-first"
_ONE_LAYER, _FROZEN = {"one_layer": Source(ONE)}, {"frozen_first": Source(FROZEN)}

# All runs train for longer than those of seeds 100 to 104.
_LONGER = (
    "Models of seeds 100 to 104 were looked at; there a loss counted as settled while it still fell by up to 3 % of "
    "what there is to learn."
)

CLAIMS = (
    Claim(
        "phases",
        "In training the model is nearest first to the uniform predictor, then to the unigram, then to the bigram.",
        f"{PAPER}; the factor is our reading of a phase",
        "the uniform predictor is nearest until the unigram first is, and the bigram first is nearest at a step at "
        "least 1.5 times as late as the unigram's",
        (Measure("first step of the bigram / of the unigram", "at least", 1.5, phase("ratio"), ideal=4.0),),
        Source(TWO),
        # One layer passes through the first two phases on the same data, and never comes to the third. An untrained
        # model has no phases.
        near_miss=_ONE_LAYER,
        amended=_LONGER,
    ),
    Claim(
        "bigram",
        "Two layers come close to the best possible prediction, the smoothed bigram.",
        PAPER,
        "at least 80 % of the gap between the unigram's and the best loss closed",
        (Measure("share of the gap closed", "at least", 0.8, token_gap("unigram", "best"), ideal=1.0),),
        Source(TWO),
        # A second layer that trains on the same data, behind a random first one or alone.
        near_miss={**_FROZEN, **_ONE_LAYER},
        negative=controls_of(TWO, "untrained", "shuffled_tokens"),
        positive=controls_of(TWO, "best_predictor"),
        amended=_LONGER,
    ),
    Claim(
        "one-layer",
        "One layer learns to count symbols, and no more.",
        f"{PAPER}; our numbers",
        "at least 70 % of the gap between the uniform predictor's and the unigram's loss closed, at most 30 % of the "
        "gap between the unigram's and the best",
        (
            Measure("share closed, uniform to unigram", "at least", 0.7, token_gap("uniform", "unigram"), 1.0),
            Measure("share closed, unigram to best", "at most", 0.3, token_gap("unigram", "best")),
        ),
        Source(ONE),
        # The same model with one layer more counts transitions.
        near_miss={"two_layers": Source(TWO)},
        negative=controls_of(ONE, "untrained"),
        amended=_LONGER,
    ),
    Claim(
        "previous-token",
        "The first layer has become a previous-token head.",
        f"{PAPER}; the number is ours",
        "mean attention of layer 0's head to the previous token at least 0.5",
        (Measure("previous-token score", "at least", 0.5, previous_token, ideal=1.0),),
        Source(TWO),
        # A first layer that was trained on the same data, and that no later layer reads.
        near_miss=_ONE_LAYER,
        negative=controls_of(TWO, "untrained"),
        positive=controls_of(TWO, "constructed_induction"),
        amended=_LONGER,
    ),
)
