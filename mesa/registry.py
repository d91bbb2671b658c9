"""The learners by name; only names and sentences, nothing is loaded."""

from dataclasses import fields
from importlib import import_module
from typing import TYPE_CHECKING, Any

from mesa.errors import unknown

if TYPE_CHECKING:
    from mesa.learners.learner import Learner

LEARNERS = {
    "gd": ("mesa.learners.gradient_descent", "GradientDescent", "gradient descent; steps of one shared size"),
    "gd_per_step": ("mesa.learners.gradient_descent", "GradientDescent", "gradient descent; steps of a size each"),
    "gd_plus_plus": ("mesa.learners.gd_plus_plus", "GDPlusPlus", "GD++: curvature corrected; steps with shared sizes"),
    "gd_plus_plus_per_step": ("mesa.learners.gd_plus_plus", "GDPlusPlus", "GD++; steps with sizes of their own"),
    "preconditioned_gd": (
        "mesa.learners.preconditioned",
        "PreconditionedGradientDescent",
        "gradient descent times one fixed matrix; steps share it",
    ),
    "newton": ("mesa.learners.newton", "Newton", "Newton-Schulz iteration for the inverse; steps, nothing to tune"),
    "conjugate_gradients": (
        "mesa.learners.conjugate_gradients",
        "ConjugateGradients",
        "conjugate gradients on the normal equations; steps, nothing to tune",
    ),
    "ridge": ("mesa.learners.ridge", "Ridge", "ridge regression with a tuned penalty"),
    "least_squares": ("mesa.learners.least_squares", "LeastSquares", "least squares of least norm"),
    "nearest_neighbours": (
        "mesa.learners.nearest_neighbours",
        "NearestNeighbours",
        "mean label of the nearest examples, their number tuned",
    ),
    "averaging": ("mesa.learners.averaging", "Averaging", "mean of label times input, nothing to tune"),
}


def learner_of(name: str, steps: int = 1) -> "Learner":
    """The learner of this name, not yet tuned; one without steps ignores their number.

    Raises UserError, with the nearest name, where there is none.

    >>> learner_of("newton", steps=3).steps
    3
    """
    if name not in LEARNERS:
        raise unknown("learner", name, LEARNERS)
    module, cls, _ = LEARNERS[name]
    found = getattr(import_module(module), cls)
    known = {field.name for field in fields(found)}
    settings: dict[str, Any] = {"steps": steps, "shared": not name.endswith("_per_step")}
    return found(**{key: value for key, value in settings.items() if key in known})
