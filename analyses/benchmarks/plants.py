"""Plants of `mesa bench identify`: models that run a learner of the registry, as weights or as the learner itself."""

import torch

from mesa.construction import gradient_step_model
from mesa.learners import GradientDescent, PreconditionedGradientDescent
from mesa.learners.descent.steps import typical_norm
from mesa.models.in_context import InContextTransformer
from mesa.registry import LEARNERS
from probes.controls.planted import Planted, last_step, noisy, noisy_embedding
from tasks.predictor import RegressionPredictor
from tasks.prompt import RegressionPrompt

# The power of |S| in the unit of each setting.
_POWERS = {"step_size": -1, "gamma": -1, "time": -1, "scale": -2, "penalty": 1, "bound": 1}


def plant_learner(kind: str, tuning: RegressionPrompt) -> RegressionPredictor:
    """The explicit learner that a plant runs, such as "gd 2": gradient descent of two steps."""
    name, _, steps = kind.partition(" ")
    row, count = LEARNERS[name], int(steps or 0)
    settings = row.plants.get(count)
    if not settings:
        return row.learner(max(count, 1), **row.candidate_settings).fit(tuning)
    size = typical_norm(tuning)
    return row.predictor(count, **{field: _in_units(field, value, size) for field, value in settings.items()})


def _in_units(field: str, value: float | tuple[float, ...], size: float) -> float | tuple[float, ...]:
    """The value times the power of |S| that the field's unit is; numbers of directions and momentum have none."""
    unit = size ** _POWERS.get(field, 0)
    if isinstance(value, tuple):
        return tuple(unit * each for each in value)
    return value if field not in _POWERS else unit * value


def plant(
    learner: RegressionPredictor, d_in: int, noise: float, source: torch.Generator
) -> InContextTransformer | Planted:
    """The model of a plant: weights where there is a construction, else the learner itself behind noisy inputs."""
    if isinstance(learner, GradientDescent):
        tied = learner.shared and learner.steps > 1
        sizes, gammas = learner.step_sizes, learner.gammas
        built = gradient_step_model(sizes, d_in=d_in, steps=learner.steps, gamma=gammas, tied=tied)
        return noisy(built, noise, source)
    if isinstance(learner, PreconditionedGradientDescent):
        built = gradient_step_model(1.0, d_in=d_in, preconditioner=learner.preconditioner)
        return noisy(built, noise, source)
    return Planted(last_step(learner), noisy_embedding(d_in, noise, source))
