"""What an explicit algorithm offers: predictions after each of its steps, and the weights behind them."""

from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from tasks.prompt import RegressionPrompt


@runtime_checkable
class Learner(Protocol):
    """An explicit algorithm that learns from a context.

    Laws: `predict` equals query @ weights where `weights` is not None; `tuned` returns a new learner and is given
    other prompts than those the learner is scored on; predictions are differentiable in the query.
    """

    @property
    def name(self) -> str:
        """The name in tables."""
        ...

    def fit(self, prompt: RegressionPrompt) -> "Learner":
        """The same algorithm with its free parameters fitted to least loss on these prompts."""
        ...

    def predict(self, prompt: RegressionPrompt) -> Float[Tensor, "learner_step batch query d_out"]:
        """The prediction after each step."""
        ...

    def weights(self, prompt: RegressionPrompt) -> Float[Tensor, "learner_step batch d_in d_out"] | None:
        """The implied linear weights after each step, or None for a learner that is not linear in the query."""
        ...
