"""What impostors do wrong: algorithms that come close to a named one, as functions of prompts."""

from dataclasses import replace

import torch
from torch import Tensor

from analyses.benchmarks.described_plant import Rule
from mesa.learners.descent.steps import moments
from mesa.learners.gradient_descent import GradientDescent
from mesa.learners.spectrum import spectrum
from probes.controls.planted import last_step
from tasks.prompt import RegressionPrompt

_ROUNDS = 50


def trace(prompt: RegressionPrompt) -> Tensor:
    """The trace of S, the sum of the context's squared inputs (batch 1 1)."""
    return prompt.x.square().sum(dim=(1, 2), keepdim=True)


def scaled_context(rule: Rule, typical_trace: float, power: float = 0.5) -> Rule:
    """A rule on inputs times (typical trace / trace)^power, in the context and the query: at .5 they have one norm."""

    def scaled(prompt: RegressionPrompt) -> Tensor:
        factor = (typical_trace / trace(prompt)) ** power
        return rule(replace(prompt, x=prompt.x * factor, query=prompt.query * factor))

    return scaled


def switched(near: Rule, far: Rule, largest_trace: float) -> Rule:
    """One rule where the trace of S is at most this large, and another one elsewhere."""
    return lambda prompt: torch.where(trace(prompt) <= largest_trace, near(prompt), far(prompt))


def capped_weights(size: float, steps: int, largest: float) -> Rule:
    """Gradient descent whose weights are shortened to this norm after every step."""

    def rule(prompt: RegressionPrompt) -> Tensor:
        S, m = moments(prompt)
        w = torch.zeros_like(m)
        for _ in range(steps):
            w = w + size * (m - S @ w)
            w = w * (largest / torch.linalg.vector_norm(w, dim=(1, 2), keepdim=True)).clamp(max=1.0)
        return prompt.query @ w

    return rule


def saturating_output(rule: Rule, bound: float) -> Rule:
    """bound * tanh(prediction / bound)."""
    return lambda prompt: bound * torch.tanh(rule(prompt) / bound)


def saturating_labels(rule: Rule, bound: float) -> Rule:
    """A rule on labels bound * tanh(y / bound)."""
    return lambda prompt: rule(replace(prompt, y=bound * torch.tanh(prompt.y / bound)))


def exponential_correction(size: float, gamma: float, steps: int) -> Rule:
    """GD++ whose inputs become x exp(-gamma S) instead of x (I - gamma S): no eigenvalue changes its sign."""

    def rule(prompt: RegressionPrompt) -> Tensor:
        context = spectrum(prompt)
        s, inverse = context.values, torch.zeros_like(context.values)
        residual = transform = torch.ones_like(s)
        for _ in range(steps):
            inverse = inverse + size * transform * residual
            decay = torch.exp(-gamma * s)
            residual, transform, s = decay * residual * (1.0 - size * s), decay * transform, decay.square() * s
        return prompt.query @ context.weights(inverse).to(prompt.x.dtype)

    return rule


def polynomial_ridge(penalty: float, largest: float, degree: int) -> Rule:
    """Ridge with 1 / (s + penalty) replaced by its interpolation at Chebyshev's nodes of the interval 0 to `largest`.

    The remainder of an interpolation of 1 / (s + p) is T(s) / (T(-p) (s + p)) with the polynomial T of the nodes.
    """
    angles = torch.pi * (torch.arange(degree + 1, dtype=torch.float64) + 0.5) / (degree + 1)
    nodes = largest / 2.0 * (1.0 + torch.cos(angles))

    def rule(prompt: RegressionPrompt) -> Tensor:
        context = spectrum(prompt)
        s = context.values
        remainder = ((s[..., None] - nodes) / (-penalty - nodes)).prod(dim=-1)
        inverse = torch.where(s > 0, (1.0 - remainder) / (s + penalty), 0.0)
        return prompt.query @ context.weights(inverse).to(prompt.x.dtype)

    return rule


def ignoring_coordinate(rule: Rule, index: int) -> Rule:
    """A rule that reads this coordinate of every input as zero."""

    def blind(prompt: RegressionPrompt) -> Tensor:
        mask = torch.ones_like(prompt.x[0, 0])
        mask[index] = 0.0
        return rule(replace(prompt, x=prompt.x * mask, query=prompt.query * mask))

    return blind


def examples_from(rule: Rule, first: int) -> Rule:
    """A rule that does not see the examples before `first`."""
    return lambda prompt: rule(replace(prompt, x=prompt.x[:, first:], y=prompt.y[:, first:]))


def swapped_labels(rule: Rule) -> Rule:
    """A rule that takes the labels of the first two examples for each other's."""

    def swapped(prompt: RegressionPrompt) -> Tensor:
        return rule(replace(prompt, y=torch.cat([prompt.y[:, :2].flip(1), prompt.y[:, 2:]], dim=1)))

    return swapped


def recent_first(rule: Rule, decay: float) -> Rule:
    """A rule on examples (x, y) times the square root of decay^age: the last example has age 0."""

    def weighted(prompt: RegressionPrompt) -> Tensor:
        age = torch.arange(prompt.x.shape[1] - 1, -1, -1).to(prompt.x)
        weight = decay ** (age[:, None] / 2.0)
        return rule(replace(prompt, x=prompt.x * weight, y=prompt.y * weight))

    return weighted


def half_batches(size: float) -> Rule:
    """Two steps of gradient descent, the first one on the first half of the examples, the second one on the others."""

    def rule(prompt: RegressionPrompt) -> Tensor:
        half = prompt.x.shape[1] // 2
        first = moments(prompt.prefix(half))
        second = moments(replace(prompt, x=prompt.x[:, half:], y=prompt.y[:, half:]))
        w = size * first[1]
        return prompt.query @ (w + size * (second[1] - second[0] @ w))

    return rule


def mixture(share: float, first: Rule, second: Rule) -> Rule:
    """`share` of one rule's prediction and the rest of another one's."""
    return lambda prompt: share * first(prompt) + (1.0 - share) * second(prompt)


def by_first_label(positive: Rule, negative: Rule) -> Rule:
    """One rule where the first label is positive and another one where it is not."""
    return lambda prompt: torch.where(prompt.y[:, :1] > 0, positive(prompt), negative(prompt))


def rounded(rule: Rule, grid: float) -> Rule:
    """A prediction rounded to a multiple of `grid`."""
    return lambda prompt: grid * torch.round(rule(prompt) / grid)


def jacobi(size: float) -> Rule:
    """One step in which every weight has a size of its own, size / S_kk, of the prompt's context."""

    def rule(prompt: RegressionPrompt) -> Tensor:
        S, m = moments(prompt)
        return size * (prompt.query @ (m / S.diagonal(dim1=-2, dim2=-1)[..., None]))

    return rule


def local_step(size: float, width: float) -> Rule:
    """One step on the examples near the query: size * sum_i k(x_q, x_i) (x_q . x_i) y_i with a Gaussian k."""

    def rule(prompt: RegressionPrompt) -> Tensor:
        nearness = torch.exp(-torch.cdist(prompt.query, prompt.x).square() / (2.0 * width**2))
        return size * (nearness * (prompt.query @ prompt.x.mT)) @ prompt.y

    return rule


def least_absolute_deviations(prompt: RegressionPrompt) -> Tensor:
    """The minimiser of sum |y_i - x_i W|, by iteratively reweighted least squares."""
    w = _weighted_least_squares(prompt, torch.ones_like(prompt.y))
    for _ in range(_ROUNDS):
        w = _weighted_least_squares(prompt, 1.0 / (prompt.y - prompt.x @ w).abs().clamp(min=1e-4))
    return prompt.query @ w


def _weighted_least_squares(prompt: RegressionPrompt, weight: Tensor) -> Tensor:
    """The weights of least sum of weight_i (y_i - x_i W)^2, one output."""
    weighted = prompt.x * weight
    return torch.linalg.solve(weighted.mT @ prompt.x, weighted.mT @ prompt.y)


def sign_lookup(prompt: RegressionPrompt) -> Tensor:
    """The mean label of the examples whose inputs have the query's signs in all coordinates; 0 where there is none."""
    same = (torch.sign(prompt.query)[:, :, None] == torch.sign(prompt.x)[:, None]).all(dim=-1).to(prompt.y)
    return same @ prompt.y / same.sum(dim=-1, keepdim=True).clamp(min=1.0)


def nearest_teacher(teachers: Tensor) -> Rule:
    """The memorised teacher (teacher d_in) of least squared error on the context, times the query; one output."""

    def rule(prompt: RegressionPrompt) -> Tensor:
        memory = teachers.to(prompt.x)
        error = (prompt.x @ memory.T - prompt.y).square().sum(dim=1)
        return prompt.query @ memory[error.argmin(dim=-1)][..., None]

    return rule


def gd(size: float, steps: int, gamma: float | None = None) -> Rule:
    """Gradient descent, or GD++ with a gamma, from zero."""
    return last_step(GradientDescent(size, steps, gamma=gamma))
