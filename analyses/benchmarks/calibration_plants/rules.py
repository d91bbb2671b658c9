"""Explicit algorithms that are not among `mesa.learners`, as functions of prompts."""

import torch
from torch import Tensor

from analyses.benchmarks.described_plant import Rule
from mesa.config.model import InContextConfig
from mesa.construction.gradient_step import gradient_step_products
from mesa.construction.products import from_products
from mesa.learners.descent.steps import moments
from mesa.learners.spectrum import spectrum
from mesa.models.in_context import InContextTransformer
from tasks.prompt import RegressionPrompt


def heavy_ball(size: float, momentum: float, steps: int) -> Rule:
    """W <- W + size (m - S W) + momentum (W - previous W) (Polyak 1964)."""

    def rule(prompt: RegressionPrompt) -> Tensor:
        S, m = moments(prompt)
        w = previous = torch.zeros_like(m)
        for _ in range(steps):
            w, previous = w + size * (m - S @ w) + momentum * (w - previous), w
        return prompt.query @ w

    return rule


def nesterov(size: float, momentum: float, steps: int) -> Rule:
    """A step of gradient descent from W + momentum (W - previous W) (Nesterov 1983, with a constant momentum)."""

    def rule(prompt: RegressionPrompt) -> Tensor:
        S, m = moments(prompt)
        w = previous = torch.zeros_like(m)
        for _ in range(steps):
            ahead = w + momentum * (w - previous)
            w, previous = ahead + size * (m - S @ ahead), w
        return prompt.query @ w

    return rule


def gd_weight_decay(size: float, penalty: float, steps: int) -> Rule:
    """W <- W + size (m - S W - penalty W): gradient descent on the loss of ridge regression."""

    def rule(prompt: RegressionPrompt) -> Tensor:
        S, m = moments(prompt)
        w = torch.zeros_like(m)
        for _ in range(steps):
            w = w + size * (m - S @ w - penalty * w)
        return prompt.query @ w

    return rule


def lms(size: float, reverse: bool = False, normalised: bool = False) -> Rule:
    """One pass W <- W + size x_i^T (y_i - x_i W) in order; `normalised` divides the size by |x_i|^2 (Kaczmarz)."""

    def rule(prompt: RegressionPrompt) -> Tensor:
        w = torch.zeros_like(prompt.x.mT @ prompt.y)
        order = range(prompt.x.shape[1])
        for index in reversed(order) if reverse else order:
            x, y = prompt.x[:, index, None], prompt.y[:, index, None]
            scale = x.square().sum(dim=-1, keepdim=True) if normalised else 1.0
            w = w + size / scale * (x.mT @ (y - x @ w))
        return prompt.query @ w

    return rule


def truncated_spectrum(rank: int) -> Rule:
    """Least squares in the span of the `rank` largest eigenvectors of S, zero elsewhere."""

    def rule(prompt: RegressionPrompt) -> Tensor:
        context = spectrum(prompt)
        inverse = context.damped()
        # Singular values come in descending order.
        inverse[:, rank:] = 0.0
        return prompt.query @ context.weights(inverse).to(prompt.x.dtype)

    return rule


def gradient_flow(time: float) -> Rule:
    """The solution of dW/dt = m - S W at this time: every eigenvalue s of S is inverted to (1 - exp(-s time)) / s."""

    def rule(prompt: RegressionPrompt) -> Tensor:
        context = spectrum(prompt)
        inverse = -torch.expm1(-time * context.values) * context.damped()
        return prompt.query @ context.weights(inverse).to(prompt.x.dtype)

    return rule


def kernel_ridge(width: float, penalty: float) -> Rule:
    """k(x_q, X) (K + penalty I)^-1 Y with the Gaussian kernel k(x, z) = exp(-|x - z|^2 / (2 width^2))."""

    def rule(prompt: RegressionPrompt) -> Tensor:
        gram = _gaussian(prompt.x, prompt.x, width)
        gram.diagonal(dim1=-2, dim2=-1).add_(penalty)
        return _gaussian(prompt.query, prompt.x, width) @ torch.linalg.solve(gram, prompt.y)

    return rule


def nadaraya_watson(width: float) -> Rule:
    """The mean label under weights exp(-|x_q - x_i|^2 / (2 width^2))."""

    def rule(prompt: RegressionPrompt) -> Tensor:
        exponent = -torch.cdist(prompt.query, prompt.x).square() / (2.0 * width**2)
        return torch.softmax(exponent, dim=-1) @ prompt.y

    return rule


def softmax_average(temperature: float) -> Rule:
    """The mean label under weights exp(x_q . x_i / temperature): Nadaraya-Watson with an exponential kernel."""
    return lambda prompt: torch.softmax(prompt.query @ prompt.x.mT / temperature, dim=-1) @ prompt.y


def mean_label(prompt: RegressionPrompt) -> Tensor:
    """The mean of all labels, whatever the query."""
    return prompt.y.mean(dim=1, keepdim=True).expand(-1, prompt.query.shape[1], -1)


def softmax_average_model(temperature: float, d_in: int) -> InContextTransformer:
    """One softmax head that predicts what `softmax_average` does.

    Its scores are x_q . x_i / temperature and its values -y_i, so the query's y entry becomes minus the mean label.
    """
    config = InContextConfig(kernel="softmax", attn_scale=1.0)
    model = InContextTransformer(config, d_in + 1, dtype=torch.float64)
    A, V = torch.zeros(2, 1, 1, d_in + 1, d_in + 1, dtype=torch.float64)
    A[0, 0, :d_in, :d_in] = torch.eye(d_in, dtype=torch.float64) / temperature
    V[0, 0, d_in, d_in] = -1.0
    return from_products(model, A, V)


def two_preconditioners_model(first: Tensor, second: Tensor) -> InContextTransformer:
    """Two steps of gradient descent, each with a preconditioner of its own."""
    d_in = len(first)
    layers = [gradient_step_products(1.0, d_in=d_in, preconditioner=P) for P in (first, second)]
    A, V = (torch.cat(products) for products in zip(*layers, strict=True))
    model = InContextTransformer(InContextConfig(n_layers=2), d_in + 1, dtype=torch.float64)
    return from_products(model, A, V)


def _gaussian(a: Tensor, b: Tensor, width: float) -> Tensor:
    return torch.exp(-torch.cdist(a, b).square() / (2.0 * width**2))
