"""The algorithms that deep models are compared with, side by side."""

from analyses.experiments.depth.tuned_depths import TunedDepths
from mesa.learners import ConjugateGradients, GradientDescent, Learner, Newton, Ridge

# The names of those that GD++ is told from.
OTHERS = ("gd", "newton", "conjugate_gradients", "least_squares", "ridge")

# For a model that may take fewer steps of GD++ than it has layers.
FEWER = TunedDepths(7, clip=10.0)


def rivals(steps: int, shared: bool) -> tuple[Learner, ...]:
    """GD and GD++ with so many steps, GD++'s numbers shared by them or not, and the learners that need no such number.

    Tokens are clipped as in the deep models of [VO].
    """
    return (
        GradientDescent(steps=steps, clip=10.0),
        GradientDescent(gamma=0.0, steps=steps, shared=shared, clip=10.0),
        # So many steps, and as many of conjugate gradients as there are dimensions, end near least squares.
        Newton(steps=40),
        ConjugateGradients(steps=10),
        Ridge.least_squares(),
        Ridge(),
    )
