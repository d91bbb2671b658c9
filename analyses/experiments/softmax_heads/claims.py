"""The four claims of `softmax-heads`."""

from analyses.claims.claim import Claim, Measure, Source, controls_of
from analyses.claims.measures.regression import gap_closed, loss_ratio
from analyses.claims.tables import Number, single_value

PAPER = "von Oswald et al. 2023"
ONE, TWO, LINEAR = "one-head", "two-heads", "linear"


def head_sum(metric: str) -> Number:
    """A metric of the probe `head_sum`."""
    return lambda rows: single_value(rows, probe="head_sum", metric=metric)


_BLIND = controls_of(TWO, "untrained", "shuffled_labels")
_CONSTRUCTED = controls_of(TWO, "constructed_softmax")

CLAIMS = (
    Claim(
        "one-head",
        "One softmax head learns something, but cannot take the gradient step: its loss stays well above.",
        f"{PAPER}, appendix A.9",
        "loss at least 15 % above tuned GD's, and at least 3 % below predict-zero's",
        (
            Measure("loss / GD's loss", "at least", 1.15, loss_ratio("gd"), ideal=1.5),
            Measure("loss / predict-zero's loss", "at most", 0.97, loss_ratio("zero"), ideal=0.5),
        ),
        Source(ONE),
        negative={
            **controls_of(ONE, "untrained"),
            "two_heads": Source(TWO),
            "linear": Source(LINEAR),
            **controls_of(ONE, "constructed_softmax"),
        },
    ),
    Claim(
        "two-heads",
        "Two softmax heads nearly close the gap to gradient descent.",
        f"{PAPER}, appendix A.9; the numbers are our reading of nearly",
        "at least 90 % of the gap between predict-zero's and tuned GD's loss closed",
        (Measure("share of the gap closed", "at least", 0.9, gap_closed("gd"), ideal=1.0),),
        Source(TWO),
        negative={**_BLIND, "one_head": Source(ONE)},
        positive=_CONSTRUCTED,
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
        Source(TWO),
        negative={**_BLIND, "linear": Source(LINEAR)},
        # Two constructed heads with small scores compute with inputs relative to the context's mean. That loses as much
        # as one example less in the context: 5 % of the loss.
        positive=_CONSTRUCTED,
    ),
    Claim(
        "head-sum",
        "The heads' weights add up to the gradient step's: the sum of eta_h A_h is nearly diagonal on x.",
        f"{PAPER}, appendix A.9; the number is our reading of near diagonal",
        "entries off the diagonal have at most a quarter of the norm of those on it",
        (Measure("off the diagonal / on it", "at most", 0.25, head_sum("off_diagonal_mass")),),
        Source(TWO),
        negative=controls_of(TWO, "untrained"),
        positive=_CONSTRUCTED,
        explaining={"linear": Source(LINEAR)},
    ),
)
