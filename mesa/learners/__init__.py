"""Explicit algorithms on a context: what a model's predictions are compared with."""

from typing import TYPE_CHECKING

from tasks.lazy import lazily

if TYPE_CHECKING:
    from mesa.learners.averaging import Averaging
    from mesa.learners.conjugate_gradients import ConjugateGradients
    from mesa.learners.coordinate_descent import CoordinateDescent
    from mesa.learners.filters.cutoff import SpectralCutoff, TruncatedSpectrum
    from mesa.learners.filters.gradient_flow import GradientFlow
    from mesa.learners.filters.momentum import Momentum
    from mesa.learners.filters.weight_decay import WeightDecay
    from mesa.learners.gradient_descent import GradientDescent
    from mesa.learners.learner import Learner
    from mesa.learners.least_mean_squares import LeastMeanSquares
    from mesa.learners.local.kernel_regression import KernelRegression, SoftmaxRegression
    from mesa.learners.local.kernel_ridge import KernelRidge
    from mesa.learners.local.mean_label import MeanLabel
    from mesa.learners.nearest_neighbours import NearestNeighbours
    from mesa.learners.newton import Newton
    from mesa.learners.preconditioned import PreconditionedGradientDescent
    from mesa.learners.ridge import Ridge
    from mesa.learners.teacher_pool import TeacherPool
    from mesa.learners.trained import TrainedModel
    from mesa.registry import LEARNERS, TOKEN_PREDICTORS, learner_of

__all__ = [
    "LEARNERS",
    "TOKEN_PREDICTORS",
    "Averaging",
    "ConjugateGradients",
    "CoordinateDescent",
    "GradientDescent",
    "GradientFlow",
    "KernelRegression",
    "KernelRidge",
    "Learner",
    "LeastMeanSquares",
    "MeanLabel",
    "Momentum",
    "NearestNeighbours",
    "Newton",
    "PreconditionedGradientDescent",
    "Ridge",
    "SoftmaxRegression",
    "SpectralCutoff",
    "TeacherPool",
    "TrainedModel",
    "TruncatedSpectrum",
    "WeightDecay",
    "learner_of",
]

_EXPORTS = {
    "LEARNERS": "mesa.registry",
    "TOKEN_PREDICTORS": "mesa.registry",
    "Averaging": "mesa.learners.averaging",
    "ConjugateGradients": "mesa.learners.conjugate_gradients",
    "CoordinateDescent": "mesa.learners.coordinate_descent",
    "GradientDescent": "mesa.learners.gradient_descent",
    "GradientFlow": "mesa.learners.filters.gradient_flow",
    "KernelRegression": "mesa.learners.local.kernel_regression",
    "KernelRidge": "mesa.learners.local.kernel_ridge",
    "Learner": "mesa.learners.learner",
    "LeastMeanSquares": "mesa.learners.least_mean_squares",
    "MeanLabel": "mesa.learners.local.mean_label",
    "Momentum": "mesa.learners.filters.momentum",
    "NearestNeighbours": "mesa.learners.nearest_neighbours",
    "Newton": "mesa.learners.newton",
    "PreconditionedGradientDescent": "mesa.learners.preconditioned",
    "Ridge": "mesa.learners.ridge",
    "SoftmaxRegression": "mesa.learners.local.kernel_regression",
    "SpectralCutoff": "mesa.learners.filters.cutoff",
    "TeacherPool": "mesa.learners.teacher_pool",
    "TrainedModel": "mesa.learners.trained",
    "TruncatedSpectrum": "mesa.learners.filters.cutoff",
    "WeightDecay": "mesa.learners.filters.weight_decay",
    "learner_of": "mesa.registry",
}
__getattr__ = lazily(__name__, _EXPORTS)
