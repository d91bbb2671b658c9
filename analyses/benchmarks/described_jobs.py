"""Plants that their authors describe, as jobs of `mesa bench identify`: a calibration set, and a set for reporting.

Both sets were written by authors who had not read how `identify` decides. The first one has been looked at since.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from analyses.benchmarks.calibration_plants import CALIBRATION_PLANTS
from analyses.benchmarks.described_plant import DescribedPlant
from analyses.benchmarks.fresh_plants import FRESH_PLANTS
from analyses.benchmarks.planted_model import PlantedModel
from mesa.rng import generator

# What the author of the calibration plants calls an algorithm, and what candidates are called.
NAMES = {
    "gd_weight_decay": "weight_decay",
    "lms": "least_mean_squares",
    "pool_bayes": "teacher_pool",
    "nadaraya_watson": "kernel_regression",
}
# This author has one name for symmetric and other preconditioners, for both kernels, and for Newton's iteration whether
# its scale is each prompt's own or one for all.
ALSO = {
    "preconditioned_gd": "general_preconditioned_gd",
    "nadaraya_watson": "softmax_regression",
    "newton": "newton_fitted_scale",
}


@dataclass(frozen=True)
class CalibrationJob:
    """The described calibration plant of this index."""

    index: int

    plants: ClassVar[str] = "calibration"

    def models(self) -> Iterator[PlantedModel]:
        """The one model of this plant, under the names that `identify` gives."""
        plant = CALIBRATION_PLANTS[self.index]
        expected, *also = (_translated(name, NAMES) for name in (plant.kind, *plant.also))
        also += [_translated(plant.kind, ALSO)] if plant.kind.split()[0] in ALSO else []
        model = plant.build(generator(self.index, "bench/blind"))
        yield PlantedModel(_label("described", self.index, plant), expected, plant.task, model, tuple(also))


@dataclass(frozen=True)
class FreshJob:
    """The fresh plant of this index, whose author uses the names of candidates."""

    index: int

    plants: ClassVar[str] = "reporting"

    def models(self) -> Iterator[PlantedModel]:
        """The one model of this plant."""
        plant = FRESH_PLANTS[self.index]
        model = plant.build(generator(self.index, "bench/fresh"))
        yield PlantedModel(_label("fresh", self.index, plant), plant.kind, plant.task, model, plant.also)


def calibration_jobs() -> Iterator[CalibrationJob]:
    """All described calibration plants.

    >>> next(next(calibration_jobs()).models()).expected
    'gd 1'
    """
    return (CalibrationJob(index) for index in range(len(CALIBRATION_PLANTS)))


def fresh_jobs() -> Iterator[FreshJob]:
    """All fresh plants."""
    return (FreshJob(index) for index in range(len(FRESH_PLANTS)))


def _label(author: str, index: int, plant: DescribedPlant) -> str:
    return f"{author} {index}: {plant.kind} {plant.imitates}".rstrip()


def _translated(name: str, names: dict[str, str]) -> str:
    first, space, rest = name.partition(" ")
    return names.get(first, first) + space + rest
