"""Explicit algorithms on a context: what a model's predictions are compared with."""

from typing import TYPE_CHECKING

from tasks.lazy import lazily

if TYPE_CHECKING:
    from mesa.learners.gd_plus_plus import GDPlusPlus
    from mesa.learners.gradient_descent import GradientDescent
    from mesa.learners.learner import Learner
    from mesa.learners.preconditioned import PreconditionedGradientDescent

__all__ = ["GDPlusPlus", "GradientDescent", "Learner", "PreconditionedGradientDescent"]

_EXPORTS = {
    "GDPlusPlus": "mesa.learners.gd_plus_plus",
    "GradientDescent": "mesa.learners.gradient_descent",
    "Learner": "mesa.learners.learner",
    "PreconditionedGradientDescent": "mesa.learners.preconditioned",
}
__getattr__ = lazily(__name__, _EXPORTS)
