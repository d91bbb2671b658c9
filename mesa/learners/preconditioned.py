"""One step of gradient descent times a fixed matrix: the best that one linear layer can do ([AHN] Thm 1)."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from tasks.prompt import RegressionPrompt


@dataclass(frozen=True, eq=False)
class PreconditionedGradientDescent:
    """W = P X^T Y with one d_in x d_in preconditioner P for all prompts (Ahn et al. 2023, arXiv 2306.00297).

    With P = c I it is one step of plain gradient descent from zero.

    >>> x = torch.eye(2)[None]
    >>> prompt = RegressionPrompt(x, torch.ones(1, 2, 1), query=x[:, :1], target=torch.ones(1, 1, 1))
    >>> PreconditionedGradientDescent(0.5 * torch.eye(2)).predict(prompt).item()
    0.5
    """

    preconditioner: Float[Tensor, "d_in d_in"] | None = None
    name: str = "preconditioned_gd"

    def weights(self, prompt: RegressionPrompt) -> Float[Tensor, "learner_step batch d_in d_out"]:
        """The weights after the one step; without a preconditioner, X^T Y itself."""
        moment = prompt.x.mT @ prompt.y
        return (moment if self.preconditioner is None else self.preconditioner.to(moment) @ moment)[None]

    def predict(self, prompt: RegressionPrompt) -> Float[Tensor, "learner_step batch query d_out"]:
        """The prediction after the one step."""
        return prompt.query @ self.weights(prompt)

    def tuned(self, prompt: RegressionPrompt) -> "PreconditionedGradientDescent":
        """The preconditioner of least loss: the prediction x_q^T P X^T Y is linear in P, so it is least squares.

        Row (prompt, query, output) of the system has the d_in^2 features x_q (X^T Y)^T; it is solved by its normal
        equations in float64, whose condition is that of the inputs' fourth moments. A ridge of 1e-12 of the mean
        diagonal picks the smallest solution where there are fewer prompts than features. (LAPACK's least-squares
        driver gives other last bits from call to call, which a report must not.)
        """
        query, target = prompt.query.double(), prompt.target.double()
        moment = prompt.x.double().mT @ prompt.y.double()
        features = torch.einsum("bqi,bjo->bqoij", query, moment).flatten(0, 2).flatten(1)
        normal = features.mT @ features
        normal.diagonal().add_(1e-12 * normal.diagonal().mean())
        solution = torch.linalg.solve(normal, features.mT @ target.flatten()[:, None])
        return replace(self, preconditioner=solution.view(query.shape[-1], -1))
