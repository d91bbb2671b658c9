"""The protocol of explicit algorithms: a learner is fitted to prompts and becomes a predictor."""

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from tasks.predictor import RegressionPredictor
from tasks.prompt import RegressionPrompt


@runtime_checkable
class Learner(Protocol):
    """An explicit algorithm that learns from a context; its free parameters are fitted once, on many prompts.

    Laws: `fit` returns a new object and leaves the learner as it is; it is given other prompts than those that its
    predictor is scored on. The predictor has the learner's name, and predicts after each of `steps` steps.
    """

    @property
    def name(self) -> str:
        """The name in tables."""
        ...

    @property
    def steps(self) -> int:
        """How many steps it takes; 1 for an algorithm without steps. The fit of several steps is a search."""
        ...

    def fit(self, prompt: RegressionPrompt) -> RegressionPredictor:
        """The same algorithm with its free parameters fitted to least loss on these prompts."""
        ...


@runtime_checkable
class Parametrised(Protocol):
    """A predictor whose fitted parameters have names."""

    @property
    def parameters(self) -> Mapping[str, float]:
        """The fitted numbers by name, or a few numbers that describe a fitted matrix."""
        ...
