"""GD++ tuned at each of several numbers of steps, for a model that may take fewer steps than it has layers."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mesa.learners import GradientDescent
from tasks.prompt import RegressionPrompt


@dataclass(frozen=True, eq=False)
class TunedDepths:
    """GD++ with 1 to `steps` steps, each number of steps tuned by itself, with values of each step's own.

    What is prediction k after the k-th step is that of GD++ which was tuned to have k steps. In one GD++ that was tuned
    to have more, the first k steps alone predict badly. `learners` are the fitted ones, in the order of their steps.
    Raises ValueError where it predicts before it was fitted.

    >>> from tasks import LinearRegression
    >>> prompt = LinearRegression(d_in=2).sample(200, torch.Generator().manual_seed(0))
    >>> TunedDepths(2).fit(prompt).predict(prompt).shape
    torch.Size([2, 200, 1, 1])
    """

    steps: int
    clip: float | None = None
    learners: tuple[GradientDescent, ...] = ()
    name: str = "gd_plus_plus_tuned_depths"

    def fit(self, prompt: RegressionPrompt) -> "TunedDepths":
        """Each number of steps with the gammas and step sizes of least loss after its last step."""
        learners = (
            GradientDescent(gamma=0.0, steps=count, shared=False, clip=self.clip) for count in range(1, self.steps + 1)
        )
        return TunedDepths(self.steps, self.clip, tuple(learner.fit(prompt) for learner in learners))

    def weights(self, prompt: RegressionPrompt) -> Float[Tensor, "learner_step batch d_in d_out"] | None:
        """None: where tokens are clipped there are none."""
        return

    def predict(self, prompt: RegressionPrompt) -> Float[Tensor, "learner_step batch query d_out"]:
        """After step k, the last prediction of GD++ with k steps."""
        if not self.learners:
            raise ValueError("learners: it predicts only after it was fitted")
        return torch.stack([learner.predict(prompt)[-1] for learner in self.learners])
