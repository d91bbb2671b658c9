"""A planted model as the benchmark of `identify` takes it: how it was planted is not seen."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

from torch import nn

from tasks.predictor import RegressionPredictor
from tasks.regression.linear_regression import LinearRegression


@dataclass(frozen=True, eq=False)
class PlantedModel:
    """What was planted, what it should be called, its task, the model, and names that are equally right."""

    plant: str
    expected: str
    task: LinearRegression
    model: nn.Module | RegressionPredictor
    also: tuple[str, ...] = ()


@runtime_checkable
class PlantJob(Protocol):
    """Planted models that are made in one process; `plants` is the set that they belong to."""

    plants: ClassVar[str]

    def models(self) -> Iterator[PlantedModel]:
        """The models, one after the other."""
        ...
