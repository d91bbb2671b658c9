"""Algorithms of these plants that are functions of a prompt and no learner of `mesa`."""

from dataclasses import replace

import torch
from torch import Tensor

from analyses.benchmarks.described_plant import Rule
from mesa.learners.nearest_neighbours import NearestNeighbours
from probes.controls.planted import last_step
from tasks.prompt import RegressionPrompt
from tasks.regression.linear_regression import LinearRegression


def distances(left: Tensor, right: Tensor) -> Tensor:
    """The squared distances (batch left right) of the rows of two tensors."""
    return (left[:, :, None] - right[:, None]).square().sum(dim=-1)


def kernel_ridge(prompt: RegressionPrompt, bandwidth: float, penalty: float) -> Tensor:
    """k(q, X) (K + penalty I)^-1 Y with the kernel exp(-|x - x'|^2 / (2 bandwidth^2)).

    >>> x = torch.tensor([[[0.0], [1.0]]], dtype=torch.float64)
    >>> prompt = RegressionPrompt(x, y=x, query=x, target=x)
    >>> kernel_ridge(prompt, bandwidth=1.0, penalty=0.0).flatten().round(decimals=6).tolist()
    [0.0, 1.0]
    """
    x = prompt.x
    K = (-distances(x, x) / (2.0 * bandwidth**2)).exp()
    K = K + penalty * torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
    return (-distances(prompt.query, x) / (2.0 * bandwidth**2)).exp() @ torch.linalg.solve(K, prompt.y)


def _label_square(prompt: RegressionPrompt) -> Tensor:
    """The mean square of the labels (batch 1 1)."""
    return prompt.y.square().mean(dim=(1, 2))[:, None, None]


def relative_trace(prompt: RegressionPrompt, task: LinearRegression) -> Tensor:
    """The inputs' sum of squares (batch 1 1) over its mean on the task."""
    variance = task.input_scale**2 * (1.0 if task.law == "normal" else 1.0 / 3.0)
    return prompt.x.square().mean(dim=(1, 2))[:, None, None] / variance


def rescaled(rule: Rule, task: LinearRegression) -> Rule:
    """The rule on inputs and queries times one factor for each prompt, which gives inputs the task's mean square."""

    def normalised(prompt: RegressionPrompt) -> Tensor:
        factor = relative_trace(prompt, task).rsqrt()
        return rule(replace(prompt, x=prompt.x * factor, query=prompt.query * factor))

    return normalised


def saturating(rule: Rule, limit: float) -> Rule:
    """limit * tanh(prediction / limit)."""
    return lambda prompt: limit * torch.tanh(rule(prompt) / limit)


def first(rule: Rule, count: int) -> Rule:
    """The rule on the first examples alone."""
    return lambda prompt: rule(prompt.prefix(min(count, prompt.x.shape[1])))


def by_label_size(prompt: RegressionPrompt, size: float) -> Tensor:
    """One gradient step whose size is 3 / (2 + m) times `size`, m the labels' mean square."""
    return prompt.query @ (size * (prompt.x.mT @ prompt.y)) * 3.0 / (2.0 + _label_square(prompt))


def ridge_by_labels(prompt: RegressionPrompt, penalty: float) -> Tensor:
    """Ridge regression whose penalty is multiplied by the labels' mean square."""
    eye = torch.eye(prompt.x.shape[2], dtype=prompt.x.dtype, device=prompt.x.device)
    S = prompt.x.mT @ prompt.x + penalty * _label_square(prompt) * eye
    return prompt.query @ torch.linalg.solve(S, prompt.x.mT @ prompt.y)


def share_of_neighbours(prompt: RegressionPrompt, share: float) -> Tensor:
    """Nearest neighbours whose number is a share of the context's length."""
    return last_step(NearestNeighbours(max(1, round(share * prompt.x.shape[1]))))(prompt)


def relative_kernel(prompt: RegressionPrompt, share: float) -> Tensor:
    """Kernel regression whose squared bandwidth is a share of the context's mean squared distance."""
    mean = distances(prompt.x, prompt.x).mean(dim=(1, 2))[:, None, None]
    return torch.softmax(-0.5 * distances(prompt.query, prompt.x) / (share * mean), dim=-1) @ prompt.y


def limited_velocity(prompt: RegressionPrompt, size: float, momentum: float, limit: float) -> Tensor:
    """Three steps of heavy ball whose velocities' entries are clamped to +-limit."""
    W = velocity = torch.zeros_like(prompt.x.mT @ prompt.y)
    for _ in range(3):
        g = prompt.x.mT @ (prompt.y - prompt.x @ W)
        velocity = (momentum * velocity + size * g).clamp(-limit, limit)
        W = W + velocity
    return prompt.query @ W
