"""Explicit algorithms on a context: what a model's predictions are compared with."""

from typing import TYPE_CHECKING

from tasks.lazy import lazily

if TYPE_CHECKING:
    from mesa.learners.gradient_descent import GradientDescent
    from mesa.learners.learner import Learner
    from mesa.learners.preconditioned import PreconditionedGradientStep

__all__ = ["GradientDescent", "Learner", "PreconditionedGradientStep"]

_EXPORTS = {
    "GradientDescent": "mesa.learners.gradient_descent",
    "Learner": "mesa.learners.learner",
    "PreconditionedGradientStep": "mesa.learners.preconditioned",
}
__getattr__ = lazily(__name__, _EXPORTS)
