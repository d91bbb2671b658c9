"""Impostors of `mesa bench identify`: transformers that run none of the candidates.

Gradient descent whose queries are rotated is no impostor: it has a preconditioner that is not symmetric.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial

import torch

from analyses.benchmarks.plants import plant, plant_learner
from mesa.config.model import InContextConfig
from mesa.config.schema import RunConfig, TrainingConfig
from mesa.models.in_context import InContextTransformer
from mesa.rng import generator
from mesa.training.trainer import Trainer
from probes.controls.planted import rotate_queries
from probes.controls.shuffled import ShuffledTask
from tasks.regression.linear_regression import LinearRegression


def _built(kind: str, task: LinearRegression) -> InContextTransformer:
    tuning = task.sample(1000, generator(2, "bench/tuning")).to(dtype=torch.float64)
    model = plant(plant_learner(kind, tuning), task.d_in, 0.0, torch.Generator())
    if not isinstance(model, InContextTransformer):
        raise ValueError(f"kind: {kind!r} has no construction in weights")
    return model


def _untrained(layers: int, task: LinearRegression, source: torch.Generator) -> InContextTransformer:
    seed = int(torch.randint(1000, (1,), generator=source))
    # Far larger weights than at the start of training, so that what it computes is not nothing.
    config = InContextConfig(n_layers=layers, init_variance=0.5)
    return InContextTransformer(config, task.d_in + 1, seed=seed, dtype=torch.float64)


def _trained_on_shuffled(task: LinearRegression, source: torch.Generator) -> InContextTransformer:
    fields = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(task).items()}
    training = TrainingConfig(batch=256, learning_rate=1e-2, gradient_clip=None)
    trainer = Trainer(RunConfig(task={"name": "linear_regression", **fields}, training=training), seed=0)
    trainer.task = shuffled = ShuffledTask(task)
    # The trainer drew its sampler from the first task.
    trainer.sample = shuffled.sample
    for step in range(1, 301):
        trainer.step(step)
    assert isinstance(trainer.model, InContextTransformer)
    return trainer.model


IMPOSTORS: Mapping[str, Callable[[LinearRegression, torch.Generator], InContextTransformer]] = {
    "untrained, 1 layer": partial(_untrained, 1),
    "untrained, 2 layers": partial(_untrained, 2),
    "trained on shuffled labels": _trained_on_shuffled,
    "gd_per_step 2, queries rotated": lambda task, source: rotate_queries(_built("gd_per_step 2", task), source),
    "gd_plus_plus 2, queries rotated": lambda task, source: rotate_queries(_built("gd_plus_plus 2", task), source),
}
