"""The conditions under which a model is compared with candidates, and the model's predictions under each."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from mesa.learners.spectrum import Spectrum, spectrum
from probes.behaviour.identification.turns import SignedPermutation
from probes.subject import RegressionSubject
from tasks.prompt import RegressionPrompt
from tasks.regression.linear_regression import LinearRegression
from tasks.regression.shifts import InputScale, NoisyLabels
from tasks.task import Task

# What a model raises that takes no other number of examples: there is no single error for it.
_UNREADABLE = (ValueError, RuntimeError, IndexError, AssertionError, NotImplementedError)


@dataclass(frozen=True)
class Setting:
    """A condition's name and value, and its task.

    `beyond`: whether it lies beyond what the model was trained on. `diverging`: whether predictions may diverge there.
    """

    name: str
    value: float
    task: Task
    beyond: bool = False
    diverging: bool = False

    @property
    def labels(self) -> dict[str, object]:
        """The columns of a row that name the condition."""
        return {"condition": self.name, "condition_value": self.value}


@dataclass(frozen=True)
class ScaledLabels:
    """All labels, their noise included, times `factor`: what is linear in the labels then answers in proportion."""

    task: LinearRegression
    factor: float

    def sample(self, batch: int, generator: torch.Generator, queries: int = 1) -> RegressionPrompt:
        """Draw prompts of the base task and scale their labels."""
        prompt = self.task.sample(batch, generator, queries)
        return replace(prompt, y=prompt.y * self.factor, target=prompt.target * self.factor, teacher=None)

    def bayes_predictor(self) -> None:
        """None: nothing is compared with it."""
        return


def settings(
    task: LinearRegression, input_scales: tuple[float, ...], label_scales: tuple[float, ...]
) -> Iterator[Setting]:
    """In distribution; inputs scaled, noisy labels; labels scaled; and twice and half as many examples.

    Inputs larger than in training, labels of another scale, and other numbers of examples lie beyond training.
    """
    yield Setting("in_distribution", 1.0, task)
    for factor in input_scales:
        yield Setting("input_scale", factor, InputScale(task, factor), beyond=factor > 1.0, diverging=factor > 1.0)
    noisy_labels = max(task.context // 2, 1)
    yield Setting("noisy_labels", float(noisy_labels), NoisyLabels(task, noisy_labels))
    for factor in label_scales:
        yield Setting("label_scale", factor, ScaledLabels(task, factor), beyond=True)
    for context in (2 * task.context, task.context // 2):
        if context:
            yield Setting("context", float(context), replace(task, context=context), beyond=True, diverging=True)


def readable(subject: RegressionSubject, task: Task) -> bool:
    """Whether the model takes prompts of this task; some layouts fix the number of examples."""
    try:
        subject.predict(subject.prompts(2, torch.Generator().manual_seed(0), task))
    except _UNREADABLE:
        return False
    return True


@dataclass(frozen=True, eq=False)
class Condition:
    """Prompts of one condition, and the model's predictions for every turn of them, turned back.

    The first turn changes nothing. `unit` is the variance of the predictions in distribution.
    """

    setting: Setting
    prompt: RegressionPrompt
    turned_back: Tensor
    unit: float

    @classmethod
    def of(
        cls,
        setting: Setting,
        subject: RegressionSubject,
        prompt: RegressionPrompt,
        turns: list[SignedPermutation],
        unit: float | None = None,
    ) -> "Condition":
        """Predict the prompts and all of their turns; without a unit, this condition is the one in distribution."""
        turned_back = predictions_turned_back(subject, prompt, turns)
        wide = prompt.to("cpu", torch.float64)
        return cls(setting, wide, turned_back, float(turned_back.var()) if unit is None else unit)

    @property
    def prediction(self) -> Tensor:
        """The predictions for the prompts as they are."""
        return self.turned_back[0]

    @property
    def is_finite(self) -> bool:
        """Whether all predictions are finite numbers."""
        return bool(self.turned_back.isfinite().all())

    @property
    def labels(self) -> dict[str, object]:
        """The columns of a row that name the condition."""
        return self.setting.labels

    @property
    def asymmetry(self) -> float:
        """E (f - F)^2 / Var f in distribution, without bias: the variance over turns of each prediction."""
        return float(self.turned_back.var(dim=0).mean()) / self.unit

    @cached_property
    def spectrum(self) -> Spectrum:
        """The context in the eigenbasis of S."""
        return spectrum(self.prompt)

    @cached_property
    def query(self) -> Tensor:
        """The queries (batch query rank) in the eigenbasis of S."""
        return self.prompt.query @ self.spectrum.basis


def predictions_turned_back(
    subject: RegressionSubject, prompt: RegressionPrompt, turns: list[SignedPermutation]
) -> Tensor:
    """The model's predictions for turned prompts, (turn batch query d_out), turned back, in float64."""
    return torch.stack([subject.predict(turn(prompt)) * turn.label.to(prompt.x) for turn in turns]).double().cpu()
