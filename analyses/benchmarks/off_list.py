"""Algorithms that are not among the candidates of `identify`: it must name none for them.

Each takes the prompts that its settings come from, then the prompts that it answers.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor

from analyses.benchmarks.plants import plant_learner
from mesa.learners.descent.steps import typical_norm
from tasks.prompt import RegressionPrompt


def _mixture(names: Sequence[str], tuning: RegressionPrompt, prompt: RegressionPrompt) -> Tensor:
    learners = [plant_learner(name, tuning) for name in names]
    return torch.stack([learner.predict(prompt)[-1] for learner in learners]).mean(dim=0)


def _signs(tuning: RegressionPrompt, prompt: RegressionPrompt) -> Tensor:
    return prompt.query @ (prompt.x.mT @ prompt.y.sign()) / typical_norm(tuning)


def _lasso(tuning: RegressionPrompt, prompt: RegressionPrompt) -> Tensor:
    # Fifty steps of soft thresholding.
    size, W = 0.5 / typical_norm(tuning), torch.zeros_like(prompt.x.mT @ prompt.y)
    for _ in range(50):
        W = W + size * (prompt.x.mT @ (prompt.y - prompt.x @ W))
        W = W.sign() * (W.abs() - 0.05).clamp(min=0.0)
    return prompt.query @ W


def _latest(tuning: RegressionPrompt, prompt: RegressionPrompt) -> Tensor:
    # The least-norm fit to the last example alone.
    x, y = prompt.x[:, -1:], prompt.y[:, -1:]
    return prompt.query @ (x.mT @ y) / x.square().sum(dim=(1, 2), keepdim=True)


OFF_LIST: Mapping[str, Callable[[RegressionPrompt, RegressionPrompt], Tensor]] = {
    "mixture of gd 1 and least_squares": partial(_mixture, ("gd 1", "least_squares")),
    "mixture of gd 2 and nearest_neighbours": partial(_mixture, ("gd 2", "nearest_neighbours")),
    "mixture of newton 2 and ridge": partial(_mixture, ("newton 2", "ridge")),
    "one step on the labels' signs": _signs,
    "lasso": _lasso,
    "the latest example": _latest,
}
