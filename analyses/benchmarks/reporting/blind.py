"""The blind plants as jobs of `mesa bench identify`, under the names that `identify` gives."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from analyses.benchmarks.blind_plants import BLIND_PLANTS
from analyses.benchmarks.planted_model import PlantedModel
from mesa.rng import generator

# What the plants' author calls an algorithm, and what candidates are called.
NAMES = {
    "gd_weight_decay": "weight_decay",
    "lms": "least_mean_squares",
    "pool_bayes": "teacher_pool",
    "nadaraya_watson": "kernel_regression",
}
# The author has one name for symmetric and other preconditioners, for both kernels, and for Newton's iteration whether
# its scale is each prompt's own or one for all.
ALSO = {
    "preconditioned_gd": "general_preconditioned_gd",
    "nadaraya_watson": "softmax_regression",
    "newton": "newton_fitted_scale",
}


@dataclass(frozen=True)
class BlindJob:
    """The blind plant of this index."""

    index: int

    plants: ClassVar[str] = "reporting"

    def models(self) -> Iterator[PlantedModel]:
        """The one model of this plant."""
        plant = BLIND_PLANTS[self.index]
        label = f"blind {self.index}: {plant.kind} {plant.imitates}".rstrip()
        expected, *also = (_translated(name, NAMES) for name in (plant.kind, *plant.also))
        also += [_translated(plant.kind, ALSO)] if plant.kind.split()[0] in ALSO else []
        model = plant.build(generator(self.index, "bench/blind"))
        yield PlantedModel(label, expected, plant.task, model, tuple(also))


def blind_jobs() -> Iterator[BlindJob]:
    """All blind plants.

    >>> next(next(blind_jobs()).models()).expected
    'gd 1'
    """
    return (BlindJob(index) for index in range(len(BLIND_PLANTS)))


def _translated(name: str, names: dict[str, str]) -> str:
    first, space, rest = name.partition(" ")
    return names.get(first, first) + space + rest
