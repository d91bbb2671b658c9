"""Symmetries of regression prompts: an equivariant learner answers a turned prompt as it answers the prompt itself."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tasks.prompt import RegressionPrompt


@dataclass(frozen=True, eq=False)
class SignedPermutation:
    """A symmetry of the task for each prompt: it permutes and flips coordinates of x, and flips all labels or none.

    An equivariant learner's prediction for a changed prompt is its prediction for the prompt itself, times the labels'
    sign. Signed permutations, unlike other orthogonal matrices, leave the law of independent coordinates as it is. Each
    prompt has its own: if all had the same, chance correlations of a few prompts would look systematic.
    """

    order: Int[Tensor, "batch d_in"]
    signs: Float[Tensor, "batch 1 d_in"]
    label: Float[Tensor, "batch 1 1"]

    @classmethod
    def draw(cls, batch: int, d_in: int, exchangeable: bool, generator: torch.Generator) -> "SignedPermutation":
        """Draw them at random. Coordinates of different scales are not `exchangeable`: they are only flipped."""
        order = torch.arange(d_in).expand(batch, d_in)
        if exchangeable:
            order = torch.rand(batch, d_in, generator=generator).argsort(dim=1)
        signs = torch.randint(0, 2, (batch, 1, d_in + 1), generator=generator) * 2.0 - 1.0
        return cls(order, signs[..., :d_in], signs[..., d_in:])

    @classmethod
    def identity(cls, batch: int, d_in: int) -> "SignedPermutation":
        """The turn that changes nothing."""
        return cls(torch.arange(d_in).expand(batch, d_in), torch.ones(batch, 1, d_in), torch.ones(batch, 1, 1))

    def __call__(self, prompt: RegressionPrompt) -> RegressionPrompt:
        """The changed prompts."""
        signs, label = self.signs.to(prompt.x), self.label.to(prompt.x)
        order = self.order.to(prompt.x.device)[:, None]
        x, query = (inputs.gather(2, order.expand_as(inputs)) * signs for inputs in (prompt.x, prompt.query))
        return replace(prompt, x=x, query=query, y=prompt.y * label, target=prompt.target * label, teacher=None)
