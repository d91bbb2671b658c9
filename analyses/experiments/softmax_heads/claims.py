"""The four claims of `softmax-heads`.

One head and two get the same prompts, steps, initial weights and learning rates; of each seed the best rate counts.
"""

from analyses.claims.claim import Claim, Measure, Source, controls_of
from analyses.claims.measures.regression import gap_closed, loss_ratio
from analyses.claims.tables import Number, single_value
from analyses.experiments.softmax_heads.rates import BEST, ONE, TWO, runs_by_rate

PAPER = "von Oswald et al. 2023"
SMALL_START, LINEAR = "two-heads-small-start", "linear"


def head_sum(metric: str) -> Number:
    """A metric of the probe `head_sum`."""
    return lambda rows: single_value(rows, probe="head_sum", metric=metric)


_BEST_ONE, _BEST_TWO = Source(ONE, BEST), Source(TWO, BEST)
# Every rate that was tried has to be trained to the end: any of them could have been the best.
_ALL_RATES = tuple(run for name in (ONE, TWO) for run in runs_by_rate(name).values())
_NEGATIVE = controls_of(TWO, "untrained", "shuffled_labels")
_CONSTRUCTED = controls_of(TWO, "constructed_softmax")
# Its preconditioner is off by as much as it is right: the diagonal and the rest have one norm.
_SKEWED = controls_of(TWO, "constructed_softmax_skewed")

# On seeds 100 to 104 the rules were met by all models of the best rate. Nothing was decided, because one seed was still
# on the plateau of predicting zero at another rate, and one from the small start.
_SETTLED = (
    "All runs with softmax train until they have settled; before, a fixed number of steps left a seed on the plateau "
    "of predicting zero. The numbers of seeds 100 to 104 were known then."
)

CLAIMS = (
    Claim(
        "one-head",
        "One softmax head learns something, but cannot take the gradient step: its loss stays well above, also at the "
        "best of the learning rates tried.",
        f"{PAPER}, appendix A.9",
        "loss at least 15 % above tuned GD's, and at least 3 % below predict-zero's",
        (
            Measure("loss / GD's loss", "at least", 1.15, loss_ratio("gd"), ideal=1.5),
            Measure("loss / predict-zero's loss", "at most", 0.97, loss_ratio("zero"), ideal=0.5),
        ),
        _BEST_ONE,
        # The same attention with a second head, on as many prompts and at the best of the same rates.
        near_miss={"two_heads": _BEST_TWO, **controls_of(ONE, "constructed_softmax")},
        negative={**controls_of(ONE, "untrained"), "linear": Source(LINEAR)},
        beside=_ALL_RATES,
        amended="One head and two now have equal initial weights, steps and prompts, and the best of three learning "
        "rates counts. Known then: two seeds of each at 0.003 and 0.01, where one head ends at 1.4 times GD's loss. "
        + _SETTLED,
    ),
    Claim(
        "two-heads",
        "Two softmax heads nearly close the gap to gradient descent.",
        f"{PAPER}, appendix A.9; the numbers are our reading of nearly",
        "at least 90 % of the gap between predict-zero's and tuned GD's loss closed",
        (Measure("share of the gap closed", "at least", 0.9, gap_closed("gd"), ideal=1.0),),
        _BEST_TWO,
        # One head closes about 60 %: the rule allows a quarter of what it lacks.
        near_miss={"one_head": _BEST_ONE, **_SKEWED},
        negative=_NEGATIVE,
        positive=_CONSTRUCTED,
        beside=_ALL_RATES,
        amended=_SETTLED,
    ),
    Claim(
        "not-reached",
        "Two softmax heads do not reach gradient descent.",
        f"{PAPER}, appendix A.9",
        "loss at least 2 % above tuned GD's, a gap that the linear layer must not have, and at least half of the gap "
        "between predict-zero's and tuned GD's loss closed",
        (
            Measure("loss / GD's loss", "at least", 1.02, loss_ratio("gd"), ideal=1.05),
            Measure("share of the gap closed", "at least", 0.5, gap_closed("gd"), ideal=1.0),
        ),
        _BEST_TWO,
        # The linear layer differs in the softmax alone, and reaches GD. The skewed heads do not close half of the gap.
        near_miss={"linear": Source(LINEAR), **_SKEWED},
        negative=_NEGATIVE,
        # Two constructed heads with small scores compute with inputs relative to the context's mean. That loses as much
        # as one example less in the context: 5 % of the loss.
        positive=_CONSTRUCTED,
        beside=_ALL_RATES,
        amended=_SETTLED,
    ),
    Claim(
        "head-sum",
        "The heads' weights add up to the gradient step's: entries of eta_h A_h off the diagonal cancel in their sum, "
        "which is nearly diagonal on x.",
        f"{PAPER}, appendix A.9, at its initial weights and learning rate; the numbers are our reading of it",
        "off the diagonal the sum has at most a quarter of its norm on it, and at most 0.18 of the sum of the heads' "
        "norms there",
        (
            Measure("off the diagonal / on it", "at most", 0.25, head_sum("off_diagonal_mass")),
            # Two unrelated heads of equal norm keep 1 / sqrt 2 of it. The rule allows a quarter of that.
            Measure("off the diagonal / the heads' own", "at most", 0.18, head_sum("off_diagonal_left")),
        ),
        Source(SMALL_START),
        # A single head is nearly diagonal too, and has nothing to cancel with. Mismatched heads are the model's own,
        # with the coordinates of one head in another order.
        near_miss={
            "one_head": _BEST_ONE,
            **controls_of(SMALL_START, "mismatched_heads", "constructed_softmax_skewed"),
        },
        negative=controls_of(SMALL_START, "untrained"),
        positive=controls_of(SMALL_START, "constructed_softmax_shared"),
        explaining={"two_heads": _BEST_TWO, "linear": Source(LINEAR)},
        amended="The rule was about the diagonal alone, which one trained head meets too (0.06). It now asks whether "
        "heads cancel. Known then: two seeds keep 0.05; from larger initial weights heads keep 0.2 to 0.7 of entries "
        "that are themselves small. " + _SETTLED,
    ),
)
