"""Changes to a distribution of prompts: does a model generalise as its learner does? ([VO] section 3)"""

import math
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from tasks.predictor import RegressionPredictor
from tasks.prompt import RegressionPrompt
from tasks.regression.linear_regression import LinearRegression

InputLaw = Literal["normal", "exponential", "laplace"]


@dataclass(frozen=True)
class InputScale:
    """All inputs, queries too, times `factor`; 1 is in distribution."""

    task: LinearRegression
    factor: float

    def __post_init__(self) -> None:
        _positive("factor", self.factor)

    def sample(self, batch: int, generator: torch.Generator, queries: int = 1) -> RegressionPrompt:
        """Draw prompts of the scaled task."""
        return replace(self.task, input_scale=self.task.input_scale * self.factor).sample(batch, generator, queries)

    def bayes_predictor(self) -> RegressionPredictor:
        """The base task's: it does not depend on the law of the inputs."""
        return self.task.bayes_predictor()


@dataclass(frozen=True)
class TeacherScale:
    """The teacher's weights times `factor`; 1 is in distribution."""

    task: LinearRegression
    factor: float

    def __post_init__(self) -> None:
        _positive("factor", self.factor)

    def sample(self, batch: int, generator: torch.Generator, queries: int = 1) -> RegressionPrompt:
        """Draw prompts of the scaled task."""
        return self._scaled().sample(batch, generator, queries)

    def bayes_predictor(self) -> RegressionPredictor:
        """The scaled task's: its prior is that of the scaled teachers."""
        return self._scaled().bayes_predictor()

    def _scaled(self) -> LinearRegression:
        return replace(self.task, teacher_scale=self.task.teacher_scale * self.factor)


@dataclass(frozen=True)
class QueryScale:
    """Only the queries times `factor`; the context is as in training."""

    task: LinearRegression
    factor: float

    def __post_init__(self) -> None:
        _positive("factor", self.factor)

    def sample(self, batch: int, generator: torch.Generator, queries: int = 1) -> RegressionPrompt:
        """Draw prompts of the base task and stretch their queries and, as labels are linear, their targets."""
        prompt = self.task.sample(batch, generator, queries)
        return replace(prompt, query=prompt.query * self.factor, target=prompt.target * self.factor)

    def bayes_predictor(self) -> RegressionPredictor:
        """The base task's: it does not depend on the law of the query."""
        return self.task.bayes_predictor()


@dataclass(frozen=True)
class NoisyLabels:
    """The first `count` of the context labels are replaced by draws from N(0, 1), unrelated to their inputs."""

    task: LinearRegression
    count: int

    def __post_init__(self) -> None:
        if not 0 <= self.count <= self.task.context:
            raise ValueError(f"count: {self.count} must lie in 0..{self.task.context}, the context length")

    def sample(self, batch: int, generator: torch.Generator, queries: int = 1) -> RegressionPrompt:
        """Draw prompts of the base task and overwrite labels; the first ones, because examples are exchangeable."""
        prompt = self.task.sample(batch, generator, queries)
        noise = torch.empty_like(prompt.y[:, : self.count]).normal_(generator=generator)
        return replace(prompt, y=torch.cat([noise, prompt.y[:, self.count :]], dim=1))

    def bayes_predictor(self) -> RegressionPredictor:
        """The base task's, given only the examples whose labels are not replaced."""
        return _WithoutNoisyLabels(self.task, self.count)


@dataclass(frozen=True)
class _WithoutNoisyLabels:
    """The task's Bayes predictor on all examples but the first `count`."""

    task: LinearRegression
    count: int
    name: str = "bayes"

    def predict(self, prompt: RegressionPrompt) -> Float[Tensor, "learner_step batch query d_out"]:
        if self._no_examples:
            return torch.zeros_like(prompt.target)[None]
        return self.task.bayes_predictor().predict(self._without_noise(prompt))

    def weights(self, prompt: RegressionPrompt) -> Float[Tensor, "learner_step batch d_in d_out"] | None:
        if self._no_examples:
            return prompt.x.new_zeros(1, len(prompt), prompt.x.shape[-1], prompt.y.shape[-1])
        return self.task.bayes_predictor().weights(self._without_noise(prompt))

    @property
    def _no_examples(self) -> bool:
        # Without examples a fresh teacher's mean is zero; a fixed set's is that of the set.
        return self.count == self.task.context and self.task.teachers is None

    def _without_noise(self, prompt: RegressionPrompt) -> RegressionPrompt:
        return replace(prompt, x=prompt.x[:, self.count :], y=prompt.y[:, self.count :])


@dataclass(frozen=True)
class RescaledInputs:
    """Inputs of another law, each context scaled to Frobenius norm `norm`, its queries by the same factor.

    Labels are computed afterwards. In training the norm is about sqrt(context * d_in / 3) * input_scale = 2.89.
    """

    task: LinearRegression
    law: InputLaw
    norm: float

    def __post_init__(self) -> None:
        if self.law not in _STANDARD:
            raise ValueError(f"law: {self.law!r} must be one of {', '.join(_STANDARD)}")
        _positive("norm", self.norm)

    def sample(self, batch: int, generator: torch.Generator, queries: int = 1) -> RegressionPrompt:
        """Draw prompts with inputs of this law."""
        shape = (batch, self.task.context + queries, self.task.d_in)
        x = _STANDARD[self.law](torch.empty(shape, device=generator.device), generator)
        if self.task.scales is not None:
            x = x * x.new_tensor(self.task.scales)
        x = x * (self.norm / x[:, : self.task.context].flatten(1).norm(dim=1))[:, None, None]
        return self.task.labelled(x, self.task.draw_teachers(batch, generator), generator)

    def bayes_predictor(self) -> RegressionPredictor:
        """The base task's: it does not depend on the law of the inputs."""
        return self.task.bayes_predictor()


def _exponential(out: Tensor, generator: torch.Generator) -> Tensor:
    return out.exponential_(generator=generator)


def _laplace(out: Tensor, generator: torch.Generator) -> Tensor:
    # The difference of two independent exponentials is Laplace.
    return _exponential(out, generator) - _exponential(torch.empty_like(out), generator)


def _normal(out: Tensor, generator: torch.Generator) -> Tensor:
    return out.normal_(generator=generator)


_STANDARD = {"normal": _normal, "exponential": _exponential, "laplace": _laplace}


def _positive(name: str, value: float) -> None:
    if not (value > 0 and math.isfinite(value)):
        raise ValueError(f"{name}: {value} must be a positive, finite number")
