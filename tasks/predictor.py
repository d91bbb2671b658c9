"""Whatever answers prompts: a fitted learner, a trained or planted model, the best predictor of a task."""

from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from tasks.prompt import RegressionPrompt, TokenPrompt


@runtime_checkable
class RegressionPredictor(Protocol):
    """It answers the queries of regression prompts.

    Laws: `predict` equals query @ weights where `weights` is not None; predictions are differentiable in the query
    where the algorithm is.
    """

    @property
    def name(self) -> str:
        """The name in tables."""
        ...

    def predict(self, prompt: RegressionPrompt) -> Float[Tensor, "learner_step batch query d_out"]:
        """The prediction after each step; a predictor without steps has one."""
        ...

    def weights(self, prompt: RegressionPrompt) -> Float[Tensor, "learner_step batch d_in d_out"] | None:
        """The implied linear weights after each step, or None for a predictor that is not linear in the query."""
        ...


@runtime_checkable
class TokenPredictor(Protocol):
    """It predicts every token of a sequence but the first from those before it."""

    @property
    def name(self) -> str:
        """The name in tables."""
        ...

    def log_probabilities(self, prompt: TokenPrompt) -> Float[Tensor, "batch pos d_vocab"]:
        """The logarithms (batch pos-1 d_vocab) of each next token's probabilities, given the tokens before it."""
        ...
