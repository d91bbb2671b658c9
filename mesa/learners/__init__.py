"""Explicit algorithms on a context: what a model's predictions are compared with."""

from typing import TYPE_CHECKING

from tasks.lazy import lazily

if TYPE_CHECKING:
    from mesa.learners.averaging import Averaging
    from mesa.learners.conjugate_gradients import ConjugateGradients
    from mesa.learners.gd_plus_plus import GDPlusPlus
    from mesa.learners.gradient_descent import GradientDescent
    from mesa.learners.learner import Learner
    from mesa.learners.least_squares import LeastSquares
    from mesa.learners.nearest_neighbours import NearestNeighbours
    from mesa.learners.newton import Newton
    from mesa.learners.preconditioned import PreconditionedGradientDescent
    from mesa.learners.ridge import Ridge
    from mesa.learners.settled import Settled
    from mesa.learners.token_predictors import SUCCESSORS
    from mesa.learners.trained import TrainedLearner
    from mesa.registry import LEARNERS, learner_of

__all__ = [
    "LEARNERS",
    "SUCCESSORS",
    "Averaging",
    "ConjugateGradients",
    "GDPlusPlus",
    "GradientDescent",
    "Learner",
    "LeastSquares",
    "NearestNeighbours",
    "Newton",
    "PreconditionedGradientDescent",
    "Ridge",
    "Settled",
    "TrainedLearner",
    "learner_of",
]

_EXPORTS = {
    "LEARNERS": "mesa.registry",
    "SUCCESSORS": "mesa.learners.token_predictors",
    "Averaging": "mesa.learners.averaging",
    "ConjugateGradients": "mesa.learners.conjugate_gradients",
    "GDPlusPlus": "mesa.learners.gd_plus_plus",
    "GradientDescent": "mesa.learners.gradient_descent",
    "Learner": "mesa.learners.learner",
    "LeastSquares": "mesa.learners.least_squares",
    "NearestNeighbours": "mesa.learners.nearest_neighbours",
    "Newton": "mesa.learners.newton",
    "PreconditionedGradientDescent": "mesa.learners.preconditioned",
    "Ridge": "mesa.learners.ridge",
    "Settled": "mesa.learners.settled",
    "TrainedLearner": "mesa.learners.trained",
    "learner_of": "mesa.registry",
}
__getattr__ = lazily(__name__, _EXPORTS)
