"""The six claims of `curvature`."""

from analyses.claims.claim import Claim, Measure, Source, controls_of
from analyses.claims.tables import Number, single_value
from analyses.experiments.curvature.measures import NOT_ADAPTED, RUNS, WHOLE, over_all

# Three tied layers at the shortest context, whose weights the paper shows in its figure 9.
THREE = "three-layers"
PAPER = "von Oswald et al. 2023, appendix A.10"
_LONGER = tuple(run for run in RUNS.values() if run != WHOLE)
_NEGATIVE = controls_of(WHOLE, "untrained")
# Gradient descent without the correction.
_PLAIN = controls_of(WHOLE, "constructed_gd")
_SETTLED = (
    "Models are now trained until their loss is settled. Known then: at a constant rate one seed of two ended 6 % "
    "above the other at N = 25, where more training at a falling rate made them equal, and 40 times above it at "
    "N = 100, where it did not. The bounds are as before."
)
# GD++ with 0.6 of the tuned gamma: a rule that allows 10 % allows a quarter of the difference.
_SMALL = controls_of(WHOLE, "constructed_small_gamma")
# GD++ whose gamma differs between coordinates, with a mean R^2 of 0.6: a rule that asks for 0.9 allows a quarter.
_UNEVEN = controls_of(WHOLE, "constructed_uneven_gamma")
# The trained model of the shortest context, taken for all: its gamma does not fall at all.
_CONSTANT = controls_of(WHOLE, NOT_ADAPTED)
_CONSTRUCTED = controls_of(WHOLE, "constructed")


def _weights(product: str) -> Number:
    """The distance of the first layer's product from the construction's; tied layers share it."""
    return lambda rows: single_value(
        rows, probe="weight_products", metric="relative_distance", product=product, layer=0
    )


CLAIMS = (
    Claim(
        "falls",
        "The longer the context, the smaller the curvature correction that the layers learn.",
        PAPER,
        "gamma falls by a quarter or more from each of N = 10, 25, 50, 100 to the next",
        # The ideal is what the paper's own numbers score.
        (Measure("largest gamma / gamma at the shorter N", "at most", 0.75, over_all("falls"), ideal=0.57),),
        Source(WHOLE),
        near_miss={**_CONSTANT, **_PLAIN},
        negative=_NEGATIVE,
        positive=_CONSTRUCTED,
        beside=_LONGER,
        amended=_SETTLED,
    ),
    Claim(
        "published",
        "The learned gamma is the paper's.",
        PAPER,
        "within 10 % of 0.179, 0.099, 0.056 and 0.029, read off the residual stream and off the weights",
        (Measure("largest |gamma / the paper's - 1|", "at most", 0.1, over_all("off_published")),),
        Source(WHOLE),
        near_miss={**_SMALL, **_CONSTANT},
        negative=_NEGATIVE,
        positive=_CONSTRUCTED,
        beside=_LONGER,
        amended=_SETTLED,
    ),
    Claim(
        "tuned",
        "The learned gamma is that of two steps of tuned GD++.",
        PAPER,
        "within 10 % at every N, read off the residual stream and off the weights",
        (Measure("largest |gamma / tuned GD++'s - 1|", "at most", 0.1, over_all("off_tuned")),),
        Source(WHOLE),
        near_miss={**_SMALL, **_CONSTANT},
        negative=_NEGATIVE,
        positive=_CONSTRUCTED,
        beside=_LONGER,
        amended=_SETTLED,
    ),
    Claim(
        "proportional",
        "The first layer changes the inputs x_j of the context along -S x_j, and hardly in other directions.",
        PAPER,
        "R^2 of the regression of the change on -S x_j at least 0.9 at every N",
        (Measure("least R^2", "at least", 0.9, over_all("r_squared"), ideal=1.0),),
        Source(WHOLE),
        near_miss={**_UNEVEN, **_PLAIN},
        negative=_NEGATIVE,
        positive=_CONSTRUCTED,
        beside=_LONGER,
        amended=_SETTLED,
    ),
    Claim(
        "spectrum",
        "After the first layer S is better conditioned, and has the eigenvalues l (1 - gamma l)^2.",
        PAPER,
        "condition number at most 0.7 of what it was, and eigenvalues within 10 % (L2) of those, at every N",
        (
            Measure("largest condition number after / before", "at most", 0.7, over_all("condition")),
            Measure("largest |predicted - after| / |after|", "at most", 0.1, over_all("spectrum")),
        ),
        Source(WHOLE),
        near_miss={**_UNEVEN, **_PLAIN},
        negative=_NEGATIVE,
        positive=_CONSTRUCTED,
        beside=_LONGER,
        amended=_SETTLED,
    ),
    Claim(
        "three-layers",
        "Three tied layers have the weights of three steps of GD++ with one tuned gamma and step size.",
        f"{PAPER}, figure 9; the numbers are our reading of it",
        "rescaled A within 7 % and V within 3 % of the construction's (Frobenius norm, entries that the loss can see)",
        (
            Measure("|A - GD++'s| / |GD++'s|", "at most", 0.07, _weights("A")),
            Measure("|V - GD++'s| / |GD++'s|", "at most", 0.03, _weights("V")),
        ),
        Source(THREE),
        # With 0.6 of gamma V is 0.125 away: the rule allows a quarter of it. None of these changes A; A of one trained
        # seed of two layers, which was known, is 3 % away from a multiple of the identity.
        near_miss=controls_of(THREE, "constructed_small_gamma", "constructed_uneven_gamma", "constructed_gd"),
        # Untrained weights have no scale, so no distance.
        positive=controls_of(THREE, "constructed"),
    ),
)
