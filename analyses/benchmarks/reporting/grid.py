"""Which reporting plants there are: kind, task, noise and seed of each, fixed before any threshold was set.

Seeds, dimensions and kinds differ from those of the calibration plants (`analyses.benchmarks.identify_jobs`).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from analyses.benchmarks.planted_model import PlantedModel
from analyses.benchmarks.reporting.other import ALGORITHMS, IMPOSTORS, MIMICS, Answer
from analyses.benchmarks.reporting.spectral import FILTERS, spectral_answer
from mesa.rng import generator
from probes.controls.planted import Planted, noisy_embedding
from tasks.prompt import RegressionPrompt
from tasks.regression.linear_regression import LinearRegression

TASKS = {
    "d=8 N=12": LinearRegression(d_in=8, context=12),
    "d=6 N=18 noise=.3": LinearRegression(d_in=6, context=18, label_noise=0.3),
    "d=12 N=10": LinearRegression(d_in=12, context=10),
    "d=7 N=14 normal": LinearRegression(d_in=7, context=14, law="normal"),
}
# A posterior over a fixed set of teachers needs a set, and noise for its teachers to be confused.
OF_A_SET = {
    name: LinearRegression(d_in=d_in, context=context, label_noise=0.5, teachers=6, teachers_seed=seed)
    for seed, (name, d_in, context) in enumerate((("d=8 N=6 of 6", 8, 6), ("d=6 N=4 of 6", 6, 4)), start=11)
}
# (task, noise of the inputs' embedding, noise of the output) of every plant of a kind.
GRID = (
    ("d=8 N=12", 0.0, 0.0),
    ("d=6 N=18 noise=.3", 0.05, 0.0),
    ("d=12 N=10", 0.0, 0.1),
    ("d=7 N=14 normal", 0.02, 0.02),
)


@dataclass(frozen=True)
class ReportingPlant:
    """One plant: what it runs, what it should be called, its task, and its noise.

    `kind` names the algorithm and its settings; `expected` is the answer that is right: a candidate with its number of
    steps, "none", or a candidate with ", in distribution only". `embedding_noise` is relative to an input's length,
    `output_noise` to the standard deviation of the predictions in distribution.
    """

    kind: str
    expected: str
    setting: str
    embedding_noise: float = 0.0
    output_noise: float = 0.0

    plants: ClassVar[str] = "reporting"

    def models(self) -> Iterator[PlantedModel]:
        """The one model of this plant."""
        noise = f"noise {self.embedding_noise:g} {self.output_noise:g}"
        yield PlantedModel(f"{self.kind}, {self.setting}, {noise}", self.expected, self.task, self.model())

    @property
    def task(self) -> LinearRegression:
        """The task whose prompts are answered."""
        return (TASKS | OF_A_SET)[self.setting]

    def model(self) -> Planted:
        """The planted predictor, a function of the plant alone."""
        source = generator(77, f"bench/reporting/{self.kind}/{self.setting}")
        tuning = self.task.sample(600, source).to(dtype=torch.float64)
        answer = self._answer(tuning, source)
        embedding = noisy_embedding(self.task.d_in, self.embedding_noise, source)
        noise = self.output_noise * float(answer(tuning).std())
        return Planted(_with_output_noise(answer, noise), embedding)

    def _answer(self, tuning: RegressionPrompt, source: torch.Generator) -> Answer:
        if self.kind in FILTERS:
            return spectral_answer(FILTERS[self.kind][1], tuning)
        if self.kind in IMPOSTORS:
            return IMPOSTORS[self.kind](tuning, source, self.task)
        _, maker = MIMICS[self.kind] if self.kind in MIMICS else ALGORITHMS[self.kind]
        return maker(tuning, source, self.task)


def reporting_plants() -> Iterator[ReportingPlant]:
    """All plants of the grid.

    >>> len(list(reporting_plants()))
    198
    """
    named = [*FILTERS.items(), *ALGORITHMS.items()]
    for kind, expected in [(kind, row[0]) for kind, row in named]:
        if expected == "teacher_pool":
            for setting in OF_A_SET:
                yield ReportingPlant(kind, expected, setting)
                yield ReportingPlant(kind, expected, setting, output_noise=0.1)
        else:
            yield from (ReportingPlant(kind, expected, *row) for row in GRID)
    for kind in IMPOSTORS:
        yield from (ReportingPlant(kind, "none", setting) for setting in TASKS)
    for kind, (expected, _) in MIMICS.items():
        # Inputs of a normal law have no range.
        yield from (ReportingPlant(kind, expected, *row) for row in GRID[:2])


def _with_output_noise(answer: Answer, size: float) -> Answer:
    """The answers plus noise of this standard deviation, another one for every prompt, the same for the same prompt."""
    if size == 0.0:
        return answer

    def noisy_answer(prompt: RegressionPrompt) -> Tensor:
        # The phase varies over thousands of turns between prompts, so its sine is as good as random.
        phase = 1e5 * (prompt.x.sum(dim=(1, 2)) + prompt.y.sum(dim=(1, 2)))[:, None, None] + 3e4 * prompt.query.sum(
            dim=-1, keepdim=True
        )
        return answer(prompt) + size * math.sqrt(2.0) * torch.sin(phase)

    return noisy_answer
