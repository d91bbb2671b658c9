"""The token predictors as rows of a registry: names and sentences; nothing is loaded."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from tasks.registry import Registry, Row

if TYPE_CHECKING:
    from mesa.learners.token_predictors import Rule


@dataclass(frozen=True, kw_only=True)
class TokenPredictorRow(Row):
    """An explicit rule for what comes next in a sequence of tokens; it has no parameters."""

    def rule(self) -> "Rule":
        """The function itself: prompts and the symbols that may come to scores, one a symbol."""
        return cast("Rule", self.load())


TOKEN_PREDICTORS = Registry(
    "token predictor",
    TokenPredictorRow,
    {
        "gradient_step": TokenPredictorRow(
            target="mesa.learners.token_predictors:gradient_step",
            about="one gradient step on the pairs so far: counts of what followed the current token",
        ),
        "normalised_bigram": TokenPredictorRow(
            target="mesa.learners.token_predictors:normalised_bigram",
            about="shares of what followed the current token",
        ),
        "smoothed_log_bigram": TokenPredictorRow(
            target="mesa.learners.token_predictors:smoothed_log_bigram",
            about="logarithms of these shares, each symbol counted once more",
        ),
        "most_recent": TokenPredictorRow(
            target="mesa.learners.token_predictors:most_recent",
            about="what followed the current token the last time",
        ),
        "unigram": TokenPredictorRow(
            target="mesa.learners.token_predictors:unigram",
            about="logarithms of the shares of all tokens so far, each symbol counted once more",
        ),
        "uniform": TokenPredictorRow(
            target="mesa.learners.token_predictors:uniform",
            about="all symbols alike",
        ),
    },
)
