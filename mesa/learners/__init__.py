"""Explicit algorithms on a context: what a model's predictions are compared with."""

from typing import TYPE_CHECKING

from tasks.lazy import lazily

if TYPE_CHECKING:
    from mesa.learners.averaging import Averaging
    from mesa.learners.conjugate_gradients import ConjugateGradients
    from mesa.learners.coordinate_descent import CoordinateDescent
    from mesa.learners.gradient_descent import GradientDescent
    from mesa.learners.learner import Learner
    from mesa.learners.nearest_neighbours import NearestNeighbours
    from mesa.learners.newton import Newton
    from mesa.learners.preconditioned import PreconditionedGradientDescent
    from mesa.learners.ridge import Ridge
    from mesa.learners.trained import TrainedModel
    from mesa.registry import LEARNERS, TOKEN_PREDICTORS, learner_of

__all__ = [
    "LEARNERS",
    "TOKEN_PREDICTORS",
    "Averaging",
    "ConjugateGradients",
    "CoordinateDescent",
    "GradientDescent",
    "Learner",
    "NearestNeighbours",
    "Newton",
    "PreconditionedGradientDescent",
    "Ridge",
    "TrainedModel",
    "learner_of",
]

_EXPORTS = {
    "LEARNERS": "mesa.registry",
    "TOKEN_PREDICTORS": "mesa.registry",
    "Averaging": "mesa.learners.averaging",
    "ConjugateGradients": "mesa.learners.conjugate_gradients",
    "CoordinateDescent": "mesa.learners.coordinate_descent",
    "GradientDescent": "mesa.learners.gradient_descent",
    "Learner": "mesa.learners.learner",
    "NearestNeighbours": "mesa.learners.nearest_neighbours",
    "Newton": "mesa.learners.newton",
    "PreconditionedGradientDescent": "mesa.learners.preconditioned",
    "Ridge": "mesa.learners.ridge",
    "TrainedModel": "mesa.learners.trained",
    "learner_of": "mesa.registry",
}
__getattr__ = lazily(__name__, _EXPORTS)
