"""The calibration plants of `mesa bench identify`: each plant, impostor and algorithm off the list, on which tasks."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import torch

from analyses.benchmarks.impostors import IMPOSTORS
from analyses.benchmarks.off_list import OFF_LIST
from analyses.benchmarks.planted_model import PlantedModel
from analyses.benchmarks.plants import plant, plant_learner
from mesa.models.in_context import InContextTransformer
from mesa.registry import LEARNERS
from mesa.rng import generator
from probes.controls.planted import Planted, noisy
from tasks.predictor import RegressionPredictor
from tasks.prompt import RegressionPrompt
from tasks.regression.linear_regression import LinearRegression

NOISE = (0.0, 0.03, 0.1)
TASKS = {
    "d=10 N=10": LinearRegression(),
    "d=10 N=25": LinearRegression(context=25),
    "d=5 N=20 noise=.2": LinearRegression(d_in=5, context=20, label_noise=0.2),
    "d=5 N=4": LinearRegression(d_in=5, context=4),
}
# Plants whose settings are not given but fitted are costly, and so are impostors: they get these tasks only.
FITTED_ON = ("d=10 N=10", "d=5 N=20 noise=.2")
# Coordinates of unequal scale, which a preconditioner is for.
UNEVEN = LinearRegression(d_in=6, context=12, scales=(1.0, 1.0, 1.0, 0.25, 0.25, 0.25))


@dataclass(frozen=True)
class Job:
    """One plant on one task at every level of noise."""

    kind: str
    setting: str
    noise: tuple[float, ...] = NOISE

    plants: ClassVar[str] = "calibration"

    @property
    def expected(self) -> str:
        """The answer that is right: the learner's name and steps, or "none"."""
        return "none" if self.kind in IMPOSTORS or self.kind in OFF_LIST else self.kind

    def models(self) -> Iterator[PlantedModel]:
        """The plant at every level of noise, without noise first."""
        source = partial(generator, 0, f"bench/{self.kind}/{self.setting}")
        learner = self.learner(self.task.sample(1000, source(0)).to(dtype=torch.float64))
        for index, noise in enumerate(self.noise):
            model = self.model(learner, noise, source(index + 1))
            yield PlantedModel(f"{self.kind}, {self.setting}, noise {noise:g}", self.expected, self.task, model)

    @property
    def task(self) -> LinearRegression:
        """The task whose prompts are answered."""
        return UNEVEN if self.setting == "uneven" else TASKS[self.setting]

    def learner(self, tuning: RegressionPrompt) -> RegressionPredictor | None:
        """The explicit algorithm, fitted on these prompts; None for an impostor."""
        if self.kind in IMPOSTORS:
            return None
        if self.kind in OFF_LIST:
            return Planted(partial(OFF_LIST[self.kind], tuning))
        return plant_learner(self.kind, tuning)

    def model(
        self, learner: RegressionPredictor | None, noise: float, source: torch.Generator
    ) -> InContextTransformer | Planted:
        """What is identified: the learner as a model, else the impostor."""
        if learner is None:
            return noisy(IMPOSTORS[self.kind](self.task, source), noise, source)
        return plant(learner, self.task.d_in, noise, source)


def all_jobs() -> Iterator[Job]:
    """Every plant of the learners' rows, and every impostor."""
    for name, row in LEARNERS.items():
        for steps, settings in row.plants.items():
            fitted_on = tuple(TASKS) if settings else FITTED_ON
            for setting in fitted_on if row.equivariant else ("uneven",):
                yield Job(f"{name} {steps}".removesuffix(" 0"), setting)
    for setting in FITTED_ON:
        yield from (Job(kind, setting, (0.0, 0.1)) for kind in (*IMPOSTORS, *OFF_LIST))
