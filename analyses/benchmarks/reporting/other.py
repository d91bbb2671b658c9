"""The other reporting plants: algorithms that act on directions, examples or teachers, impostors and mimics.

Each takes prompts that its settings are made from, a generator for what is drawn once, and the task.
"""

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor

from analyses.benchmarks.reporting.spectral import FILTERS, spectral_answer
from mesa.learners.descent.steps import typical_norm
from tasks.prompt import RegressionPrompt
from tasks.regression.linear_regression import LinearRegression

Answer = Callable[[RegressionPrompt], Tensor]
Maker = Callable[[RegressionPrompt, torch.Generator, LinearRegression], Answer]


def _square_norm(tuning: RegressionPrompt) -> float:
    return float(tuning.x.square().sum(dim=-1).mean())


def _preconditioned(symmetric: bool, steps: int) -> Maker:
    def make(tuning: RegressionPrompt, source: torch.Generator, task: LinearRegression) -> Answer:
        # Eigenvalues between 0.2 and 1.4, in a random basis; two different ones where it is not symmetric.
        values = torch.linspace(0.2, 1.4, task.d_in, dtype=torch.float64)
        left, right = (
            torch.linalg.qr(torch.randn(task.d_in, task.d_in, generator=source, dtype=torch.float64)).Q
            for _ in range(2)
        )
        P = left * values @ (left if symmetric else right).mT / typical_norm(tuning)

        def answer(prompt: RegressionPrompt) -> Tensor:
            S, m = prompt.x.mT @ prompt.x, prompt.x.mT @ prompt.y
            W = torch.zeros_like(m)
            for _ in range(steps):
                W = W + P @ (m - S @ W)
            return prompt.query @ W

        return answer

    return make


def _conjugate_gradients(steps: int, tuning: RegressionPrompt, source: torch.Generator, task: object) -> Answer:
    def answer(prompt: RegressionPrompt) -> Tensor:
        # The best weights within the Krylov space of S and m.
        S, m = prompt.x.mT @ prompt.x, prompt.x.mT @ prompt.y
        vectors = [m]
        for _ in range(steps - 1):
            vectors.append(S @ vectors[-1])
        basis = torch.linalg.qr(torch.cat(vectors, dim=-1)).Q
        return prompt.query @ (basis @ torch.linalg.solve(basis.mT @ S @ basis, basis.mT @ m))

    return answer


def _sweeps(count: int, tuning: RegressionPrompt, source: torch.Generator, task: object) -> Answer:
    def answer(prompt: RegressionPrompt) -> Tensor:
        W = torch.zeros_like(prompt.x.mT @ prompt.y)
        for k in list(range(prompt.x.shape[-1])) * count:
            column = prompt.x[..., k : k + 1]
            error = prompt.y - prompt.x @ W
            change = (column * error).sum(dim=1) / column.square().sum(dim=1)
            W = torch.cat([W[:, :k], W[:, k : k + 1] + change[:, None], W[:, k + 1 :]], dim=1)
        return prompt.query @ W

    return answer


def _in_order(size: float, tuning: RegressionPrompt, source: torch.Generator, task: object) -> Answer:
    rate = size / _square_norm(tuning)

    def answer(prompt: RegressionPrompt) -> Tensor:
        W = torch.zeros_like(prompt.x.mT @ prompt.y)
        for x, y in zip(prompt.x.split(1, dim=1), prompt.y.split(1, dim=1), strict=True):
            W = W + rate * x.mT @ (y - x @ W)
        return prompt.query @ W

    return answer


def _gaussian_kernel(width: float, tuning: RegressionPrompt, source: torch.Generator, task: object) -> Answer:
    bandwidth = width * _square_norm(tuning)
    return lambda prompt: torch.softmax(-torch.cdist(prompt.query, prompt.x).square() / bandwidth, dim=-1) @ prompt.y


def _softmax_kernel(sharpness: float, scale: float, tuning: RegressionPrompt, source: object, task: object) -> Answer:
    inverse = sharpness / _square_norm(tuning)
    return lambda prompt: scale * torch.softmax(inverse * prompt.query @ prompt.x.mT, dim=-1) @ prompt.y


def _neighbours(count: int, tuning: RegressionPrompt, source: torch.Generator, task: object) -> Answer:
    def answer(prompt: RegressionPrompt) -> Tensor:
        near = torch.cdist(prompt.query, prompt.x).topk(count, largest=False).indices
        return prompt.y[torch.arange(len(prompt))[:, None, None], near].mean(dim=2)

    return answer


def _of_the_set(tuning: RegressionPrompt, source: torch.Generator, task: LinearRegression) -> Answer:
    teachers, noise = task.teacher_set.double(), task.label_noise

    def answer(prompt: RegressionPrompt) -> Tensor:
        error = torch.stack([(prompt.y - prompt.x @ w).square().sum(dim=(1, 2)) for w in teachers], dim=-1)
        share = torch.softmax(-error / (2.0 * noise**2), dim=-1)
        return prompt.query @ torch.einsum("bk,kio->bio", share, teachers)

    return answer


ALGORITHMS: Mapping[str, tuple[str, Maker]] = {
    "symmetric preconditioner": ("preconditioned_gd 1", _preconditioned(True, 1)),
    "symmetric preconditioner, two steps": ("preconditioned_gd 2", _preconditioned(True, 2)),
    "general preconditioner": ("general_preconditioned_gd 1", _preconditioned(False, 1)),
    "conjugate gradients 3": ("conjugate_gradients 3", partial(_conjugate_gradients, 3)),
    "two sweeps over the coordinates": ("coordinate_descent 2", partial(_sweeps, 2)),
    "one pass, small steps": ("least_mean_squares", partial(_in_order, 0.3)),
    "one pass, large steps": ("least_mean_squares", partial(_in_order, 0.9)),
    "mean of label times input": ("averaging", lambda *_: lambda prompt: _mean_product(prompt)),
    "mean of the labels": ("mean_label", lambda *_: lambda prompt: prompt.y.mean(dim=1, keepdim=True)),
    "narrow kernel": ("kernel_regression", partial(_gaussian_kernel, 0.25)),
    "wide kernel": ("kernel_regression", partial(_gaussian_kernel, 1.0)),
    "sharp softmax": ("softmax_regression", partial(_softmax_kernel, 6.0, 1.0)),
    "flat softmax": ("softmax_regression", partial(_softmax_kernel, 2.0, 2.5)),
    "two neighbours": ("nearest_neighbours", partial(_neighbours, 2)),
    "posterior over six teachers": ("teacher_pool", _of_the_set),
}


def _mean_product(prompt: RegressionPrompt) -> Tensor:
    return prompt.query @ (prompt.x.mT @ prompt.y) / prompt.x.shape[1]


def _weighted(parts: Mapping[str, float], tuning: RegressionPrompt, source: torch.Generator, task: object) -> Answer:
    answers = [(share, spectral_answer(FILTERS[name][1], tuning)) for name, share in parts.items()]
    return lambda prompt: torch.stack([share * answer(prompt) for share, answer in answers]).sum(dim=0)


def _steepest(tuning: RegressionPrompt, source: torch.Generator, task: object) -> Answer:
    def answer(prompt: RegressionPrompt) -> Tensor:
        # Each step has the size that is best for its own prompt.
        S, m = prompt.x.mT @ prompt.x, prompt.x.mT @ prompt.y
        W = torch.zeros_like(m)
        for _ in range(3):
            gradient = m - S @ W
            W = W + gradient * (gradient.square().sum(1, True) / (gradient * (S @ gradient)).sum(1, True))
        return prompt.query @ W

    return answer


def _bounded_errors(tuning: RegressionPrompt, source: torch.Generator, task: object) -> Answer:
    size, bound = 0.8 / typical_norm(tuning), 0.5 * float(tuning.y.std())

    def answer(prompt: RegressionPrompt) -> Tensor:
        W = torch.zeros_like(prompt.x.mT @ prompt.y)
        for _ in range(4):
            W = W + size * prompt.x.mT @ (prompt.y - prompt.x @ W).clamp(-bound, bound)
        return prompt.query @ W

    return answer


def _sparse(tuning: RegressionPrompt, source: torch.Generator, task: object) -> Answer:
    size = 0.9 / typical_norm(tuning)

    def answer(prompt: RegressionPrompt) -> Tensor:
        W = torch.zeros_like(prompt.x.mT @ prompt.y)
        for _ in range(40):
            W = W + size * prompt.x.mT @ (prompt.y - prompt.x @ W)
            W = W.sign() * (W.abs() - 0.2 * size).clamp(min=0.0)
        return prompt.query @ W

    return answer


def _unit_gradient(tuning: RegressionPrompt, source: torch.Generator, task: object) -> Answer:
    def answer(prompt: RegressionPrompt) -> Tensor:
        m = prompt.x.mT @ prompt.y
        return prompt.query @ m / m.norm(dim=1, keepdim=True)

    return answer


def _random_network(tuning: RegressionPrompt, source: torch.Generator, task: LinearRegression) -> Answer:
    width = 3 * task.d_in
    first = torch.randn(task.d_in + 1, width, generator=source, dtype=torch.float64)
    last = torch.randn(task.d_in + width, width, generator=source, dtype=torch.float64)
    out = torch.randn(width, 1, generator=source, dtype=torch.float64)

    def answer(prompt: RegressionPrompt) -> Tensor:
        mean = torch.tanh(torch.cat([prompt.x, prompt.y], dim=-1) @ first).mean(dim=1, keepdim=True)
        return torch.tanh(torch.cat([3.0 * prompt.query, mean.expand(-1, prompt.query.shape[1], -1)], -1) @ last) @ out

    return answer


IMPOSTORS: Mapping[str, Maker] = {
    "two thirds step, one third pseudo-inverse": partial(_weighted, {"one step": 0.67, "pseudo-inverse": 0.33}),
    "half ridge, half of the directions": partial(_weighted, {"weak ridge": 0.5, "half of the directions": 0.5}),
    "three steps of steepest descent": _steepest,
    "four steps on bounded errors": _bounded_errors,
    "sparse regression": _sparse,
    "gradient of unit length": _unit_gradient,
    "random network": _random_network,
}


def _rescaled_into_range(
    name: str, tuning: RegressionPrompt, source: torch.Generator, task: LinearRegression
) -> Answer:
    inner, largest = spectral_answer(FILTERS[name][1], tuning), float(tuning.x.abs().max())

    def answer(prompt: RegressionPrompt) -> Tensor:
        # Prompts with an input beyond the range of training are scaled back into it.
        excess = (prompt.x.abs().amax(dim=(1, 2), keepdim=True) / largest).clamp(min=1.0)
        return inner(RegressionPrompt(prompt.x / excess, prompt.y, prompt.query / excess, prompt.target))

    return answer


def _first_examples(name: str, tuning: RegressionPrompt, source: torch.Generator, task: LinearRegression) -> Answer:
    inner = spectral_answer(FILTERS[name][1], tuning)
    return lambda prompt: inner(prompt.prefix(min(task.context, prompt.x.shape[1])))


MIMICS: Mapping[str, tuple[str, Maker]] = {
    "two corrected steps, prompts scaled into range": (
        "gd_plus_plus 2, in distribution only",
        partial(_rescaled_into_range, "two corrected steps"),
    ),
    "two corrected steps on the first N examples": (
        "gd_plus_plus 2, in distribution only",
        partial(_first_examples, "two corrected steps"),
    ),
    "strong ridge on the first N examples": (
        "ridge, in distribution only",
        partial(_first_examples, "strong ridge"),
    ),
}
