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


def plant_learner(kind: str, tuning: RegressionPrompt) -> RegressionPredictor:
    """The explicit learner that a plant runs, such as "gd 2": gradient descent of two steps."""
    name, _, steps = kind.partition(" ")
    row, count = LEARNERS[name], int(steps or 0)
    settings = row.plants.get(count)
    if not settings:
        return row.learner(max(count, 1)).fit(tuning)
    unit = 1.0 / typical_norm(tuning)
    scaled = {field: tuple(unit * value for value in values) for field, values in settings.items()}
    return row.predictor(count, **scaled)


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
