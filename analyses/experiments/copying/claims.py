"""The five claims of `copying`.

That copying comes first is asked twice: of the contrast of the next token with all others, which does not depend on the
scale of the copy, and of the size of the copy.
"""

from analyses.claims.claim import Claim, Measure, Source, controls_of
from analyses.claims.measures.regression import alignment, loss_gap
from analyses.experiments.copying.measures import order, other_by_next

PAPER = "von Oswald et al. 2023, section 4 and figure 5"
RUN = "interleaved"
_NEGATIVE = controls_of(RUN, "untrained", "shuffled_labels", "reversed_positions")
_CONSTRUCTED = controls_of(RUN, "constructed_interleaved")
# It copies every label, and takes a step that is almost the right one.
_NEAR = controls_of(RUN, "constructed_undercorrected")
_AMENDED = (
    "The rule was first about the size of the copy, which in one of five seeds went on growing long after the loss had "
    "fallen; after that run the contrast took its place. Both are now judged. The bound of 0.01 is older than the "
    "checkpoints 25 steps apart."
)

CLAIMS = (
    Claim(
        "loss",
        "The loss falls to that of one step of gradient descent.",
        f"{PAPER}; the number is our reading of reaching it",
        "loss within 5 % of one tuned step's on the same prompts",
        (Measure("|loss / GD's loss - 1|", "at most", 0.05, loss_gap("gd")),),
        Source(RUN),
        near_miss=_NEAR,
        negative=_NEGATIVE,
        positive=_CONSTRUCTED,
    ),
    Claim(
        "agreement",
        "The model predicts what one step of gradient descent predicts, and its sensitivity to the query aligns.",
        f"{PAPER}; the numbers are our reading",
        "sensitivity cosine at least 0.95, and |f - g| / |g| at most 0.3, where f is the model and g is tuned GD",
        (
            Measure("sensitivity cosine", "at least", 0.95, alignment("sensitivity_cosine"), ideal=1.0),
            Measure("|f - g| / |g|", "at most", 0.3, alignment("relative_distance")),
        ),
        Source(RUN),
        near_miss=_NEAR,
        negative=_NEGATIVE,
        positive=_CONSTRUCTED,
    ),
    Claim(
        "copying",
        "The first layer copies each label to the token of its input.",
        f"{PAPER}; the number is our reading of far above",
        "an input's token reacts to the next token at least ten times as much as to the others",
        (Measure("other / next, tokens of x", "at most", 0.1, other_by_next),),
        Source(RUN),
        # The same weights, to which every token seems to stand before the one that is before it: they copy as much,
        # and from the wrong neighbour.
        near_miss=controls_of(RUN, "reversed_positions"),
        # The first layer copies labels by their position, so it copies shuffled labels as well.
        negative=controls_of(RUN, "untrained"),
        positive=_CONSTRUCTED,
        explaining=controls_of(RUN, "shuffled_labels"),
    ),
    Claim(
        "order",
        "Copying comes first: the first layer tells the next token from the others before the loss falls.",
        f"{PAPER}; change points are our reading",
        "the contrast of copying has gone half of its way before the loss is halfway from predicting zero to its end: "
        "log(loss's step / copying's step) is at least 0.01",
        (Measure("log(loss's step / contrast's)", "at least", 0.01, order(), ideal=0.1),),
        Source(RUN),
        # The same models and the same contrast, of the token before: it holds a label too, of another example.
        near_miss=controls_of(RUN, "wrong_neighbour"),
        amended=_AMENDED,
    ),
    Claim(
        "order-of-size",
        "Copying comes first in size, too: tokens of x react to the next token before the loss falls.",
        f"{PAPER}; change points are our reading",
        "the sensitivity to the next token has gone half of its way, from its first to its last value, before the loss "
        "is halfway from predicting zero to its end: log(loss's step / copying's step) is at least 0.01",
        (Measure("log(loss's step / size's)", "at least", 0.01, order("size"), ideal=0.1),),
        Source(RUN),
        # The same models and the same measure, of the token before.
        near_miss=controls_of(RUN, "wrong_neighbour"),
        amended=f"{_AMENDED} This is the rule as it first was",
    ),
)
