"""What a registry says of a learner: what its name fixes, and the facts that tests and probes need."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias, cast

from tasks.registry import Row, Settings

if TYPE_CHECKING:
    from torch import Tensor

    from mesa.learners.learner import Learner
    from tasks.predictor import RegressionPredictor

# Settings of a learner as Python numbers, or tensors where a learner takes matrices.
LearnerSettings: TypeAlias = "Mapping[str, float | tuple[float, ...] | Tensor]"


@dataclass(frozen=True)
class CandidateSpace:
    """What bounds the numbers of steps that `identify` tries: inputs have `d_in` entries.

    `max_costly_steps` bounds learners whose fit is a long search.
    """

    d_in: int
    max_steps: int
    max_costly_steps: int


def _no_parameters(steps: int, d_in: int) -> int:
    return 0


def _no_settings(steps: int, d_in: int) -> LearnerSettings:
    return {}


def _without_steps(space: CandidateSpace) -> Sequence[int]:
    return (0,)


@dataclass(frozen=True, kw_only=True)
class LearnerRow(Row):
    """A learner: the settings that its name fixes, and what tests and probes need to know to use it.

    settings: fields of the class that the name fixes.
    candidate_settings: further fields that are set when it is fitted to a model's predictions.
    takes_steps: whether the class has a field `steps`.
    free_parameters: how many numbers `fit` chooses, by (steps, d_in). For `identify`, fewer are simpler.
    equivariant: whether its predictions stay the same when the coordinates of x and of the teacher are permuted alike,
        or change their signs alike.
    order_free: whether the order of the examples changes no prediction.
    continuous: whether its predictions are continuous in the context's inputs.
    limit: the learner of as many free parameters that it becomes in a limit, "" where there is none.
    spectral: whether it is a `mesa.learners.filters.response.SpectralLearner`.
    costly: whether `identify` tries it only where cheaper candidates leave something to explain.
    candidate_steps: the numbers of steps at which `identify` tries it: 0 for a learner without steps, an empty
        sequence for a learner that is no candidate.
    example: stable settings, by (steps, d_in), on which the laws are tested.
    plants: models that `mesa bench identify` plants, by number of steps: a value for each step of every setting, in
        units that follow from the size of S; without settings the learner is fitted.
    """

    settings: Settings = field(default_factory=dict)
    candidate_settings: Settings = field(default_factory=dict)
    takes_steps: bool = False
    free_parameters: Callable[[int, int], int] = _no_parameters
    equivariant: bool = True
    order_free: bool = True
    continuous: bool = True
    limit: str = ""
    spectral: bool = False
    costly: bool = False
    candidate_steps: Callable[[CandidateSpace], Sequence[int]] = _without_steps
    example: Callable[[int, int], LearnerSettings] = _no_settings
    plants: Mapping[int, Mapping[str, float | int | tuple[float, ...]]] = field(default_factory=dict)

    def learner(self, steps: int = 1, **settings: object) -> "Learner":
        """The learner with its defaults, what its name fixes, and further settings; ValueError for a wrong one."""
        return cast("Learner", self._instance(steps, settings))

    def predictor(self, steps: int = 1, **settings: object) -> "RegressionPredictor":
        """The same object as a predictor: these settings are taken as they are, and nothing is fitted."""
        return cast("RegressionPredictor", self._instance(steps, settings))

    def _instance(self, steps: int, settings: Mapping[str, object]) -> object:
        make = cast("Callable[..., object]", self.load())
        return make(**{**({"steps": steps} if self.takes_steps else {}), **self.settings, **settings})
