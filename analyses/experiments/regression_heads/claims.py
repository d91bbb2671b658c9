"""The four claims of `attribution`.

One tuned step of gradient descent has a read-out of .505; every rule asks for 0.3, so that there is a behaviour to
attribute. Agreement on single prompts was added to the rules after mean read-outs could not tell pairs of heads apart.
"""

from functools import partial

from analyses.claims.claim import Claim, Measure, Source, controls_of
from analyses.claims.measures.attribution import agreement, circuit_size, direct_total, gain, remains

SOURCE = "by attribution; the numbers are ours"
ONE, LINEAR, SOFTMAX = "one-head", "two-linear-heads", "two-softmax-heads"
_AMENDED = (
    "after a look at seeds 0 to 4: rules on mean read-outs alone were met by controls too, and could not tell linear "
    "from softmax pairs"
)
_HAS_BEHAVIOUR = Measure("read-out, clean less corrupted", "at least", 0.3, gain, ideal=0.5)
_LEAST_DISPENSABLE = partial(agreement, most=False)
_ONE_HEAD, _TWO_LINEAR, _TWO_SOFTMAX = (
    {"one_head": Source(ONE)},
    {"two_linear": Source(LINEAR)},
    {"two_softmax": Source(SOFTMAX)},
)


def _negative(run: str) -> dict[str, Source]:
    return controls_of(run, "untrained", "shuffled_labels")


CLAIMS = (
    Claim(
        "one-head",
        "The one linear head takes the step, and the step is what the head writes directly. That nothing is left "
        "without it must hold for one head in one layer, and checks the method.",
        SOURCE,
        "a read-out of at least 0.3; at least 95 % of it written directly; at most 5 % left when the head is "
        "mean-ablated",
        (
            _HAS_BEHAVIOUR,
            Measure("written directly", "at least", 0.95, direct_total, ideal=1.0),
            Measure("left without it", "at most", 0.05, remains("mean")),
        ),
        Source(ONE),
        # Two heads trained on the same task do the same step, or nearly, and no head alone does all of it.
        near_miss={**_TWO_LINEAR, **_TWO_SOFTMAX},
        negative=_negative(ONE),
        positive=controls_of(ONE, "constructed"),
        amended=_AMENDED,
    ),
    Claim(
        "linear-share",
        "Two linear heads share the work more evenly than a random split of one step would: each does at least a "
        "quarter of it, on every prompt.",
        f"{SOURCE}, but a quarter, which is the median of the smaller share where a step is split uniformly at random",
        "a read-out of at least 0.3; between a quarter and three quarters left without either head, and an agreement "
        "of single prompts with the clean run of at least 0.25",
        (
            _HAS_BEHAVIOUR,
            Measure("left without the more dispensable", "at most", 0.75, remains("mean"), ideal=0.5),
            Measure("left without the other", "at least", 0.25, remains("mean", most=False), ideal=0.5),
            Measure("agreement without the other", "at least", 0.25, _LEAST_DISPENSABLE, ideal=1.0),
        ),
        Source(LINEAR),
        # The same prediction by the same two heads: one that does 95 %, or one that does too much and another that
        # takes it back. And trained heads of other models.
        near_miss={**controls_of(LINEAR, "uneven_split", "opposed_split"), **_ONE_HEAD, **_TWO_SOFTMAX},
        negative=_negative(LINEAR),
        # Half of the random splits meet the rule, so that it says nothing of a single seed.
        explaining=controls_of(LINEAR, "random_split"),
        amended=f"{_AMENDED}; the rule then allowed from 5 % to 95 %, which nine of ten random splits meet too. Known "
        "when it was narrowed: seeds 0 to 4 meet the wider rule, not how even they are",
    ),
    Claim(
        "softmax-pair",
        "Two softmax heads need each other: without either head, prompts are further off than corrupted ones.",
        f"von Oswald et al. 2023, appendix A.9; {SOURCE}",
        "a read-out of at least 0.3; agreement of single prompts with the clean run at most 0 without either head",
        (_HAS_BEHAVIOUR, Measure("agreement without a head", "at most", 0.0, agreement, ideal=-5.0)),
        Source(SOFTMAX),
        # Heads of the same task and number, without the softmax whose constant one head cancels for the other.
        near_miss=_TWO_LINEAR,
        negative={**_negative(SOFTMAX), **_ONE_HEAD},
        positive=controls_of(SOFTMAX, "constructed_softmax"),
        amended=_AMENDED,
    ),
    Claim(
        "both",
        "Neither softmax head alone keeps the behaviour.",
        SOURCE,
        "a read-out of at least 0.3; the smallest set of heads that keeps 90 %, on single prompts too, has both heads",
        (_HAS_BEHAVIOUR, Measure("heads in the set", "at least", 2.0, circuit_size, ideal=3.0)),
        Source(SOFTMAX),
        # Two heads of which one does 95 % of one step.
        near_miss=controls_of(LINEAR, "uneven_split"),
        negative={**_negative(SOFTMAX), **_ONE_HEAD},
        positive=controls_of(SOFTMAX, "constructed_softmax"),
        amended=_AMENDED,
    ),
)
