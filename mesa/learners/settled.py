"""A learner that is tuned already: it stays as it is, whatever prompts it is shown."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from mesa.learners.learner import Learner
from tasks.prompt import RegressionPrompt


@dataclass(frozen=True, eq=False)
class Settled:
    """A tuned learner under its own name, to be compared with many models without being tuned for each.

    >>> from mesa.learners import GradientDescent
    >>> settled = Settled(GradientDescent(step_size=0.6))
    >>> settled.name
    'gd'
    """

    learner: Learner

    @property
    def name(self) -> str:
        """The learner's own."""
        return self.learner.name

    def fit(self, prompt: RegressionPrompt) -> "Settled":
        """The learner itself."""
        return self

    def predict(self, prompt: RegressionPrompt) -> Float[Tensor, "learner_step batch query d_out"]:
        """The learner's prediction after each step."""
        return self.learner.predict(prompt)

    def weights(self, prompt: RegressionPrompt) -> Float[Tensor, "learner_step batch d_in d_out"] | None:
        """The learner's implied weights after each step, where it has them."""
        return self.learner.weights(prompt)
