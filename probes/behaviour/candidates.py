"""The list that a model is identified from: every learner, at every number of steps, from the simplest on."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mesa.learners import Learner, PreconditionedGradientDescent
from mesa.registry import learner_of
from tasks.prompt import RegressionPrompt

# More of these steps are least squares, which has none.
MOST_NEWTON = 6
MOST_CONJUGATE = 6
# Its fit has d_in (d_in + 1) / 2 parameters, and more steps mostly find them in the noise.
MOST_PRECONDITIONED = 2


@dataclass(frozen=True)
class Candidate:
    """A learner at a number of steps; `free` counts the parameters that are fitted, the measure of simplicity.

    `equivariant`: turning all inputs and the teacher by one orthogonal matrix leaves its predictions as they are.
    """

    name: str
    steps: int
    free: int
    equivariant: bool = True

    @property
    def simplicity(self) -> tuple[int, int]:
        """Fewer free parameters come first, then fewer steps."""
        return self.free, self.steps

    def fitted(self, prompt: RegressionPrompt) -> Learner:
        """The member of this class that is nearest to the prompts' targets: a model's predictions, to identify it."""
        found = learner_of(self.name, max(self.steps, 1)).fit(prompt)
        if isinstance(found, PreconditionedGradientDescent) and found.preconditioner is not None:
            # A preconditioner is symmetric; a fit of a model that turns its inputs is not.
            P = found.preconditioner
            return replace(found, preconditioner=(P + P.mT) / 2)
        return found


def candidates(max_steps: int, d_in: int, apart: int) -> tuple[Candidate, ...]:
    """All candidates, simplest first; GD++ with a pair of its own each step up to `apart` steps: its fit is costly."""
    counts = range(1, max_steps + 1)
    listed = [Candidate("averaging", 0, 0), Candidate("least_squares", 0, 0)]
    listed += [Candidate("newton", k, 0) for k in range(1, MOST_NEWTON + 1)]
    listed += [Candidate("conjugate_gradients", k, 0) for k in range(1, min(d_in, MOST_CONJUGATE) + 1)]
    listed += [Candidate("ridge", 0, 1), Candidate("nearest_neighbours", 0, 1)]
    listed += [Candidate("gd", k, 1) for k in counts]
    listed += [Candidate("gd_plus_plus", k, 2) for k in counts if k > 1]
    listed += [Candidate("gd_per_step", k, k) for k in counts if k > 1]
    listed += [Candidate("gd_plus_plus_per_step", k, 2 * k - 1) for k in counts if 1 < k <= apart]
    listed += [
        Candidate("preconditioned_gd", k, d_in * (d_in + 1) // 2, equivariant=False)
        for k in counts[:MOST_PRECONDITIONED]
    ]
    return tuple(sorted(listed, key=lambda candidate: candidate.simplicity))


@dataclass(frozen=True, eq=False)
class SignedPermutation:
    """For each prompt a symmetry of the task: coordinates of x permuted and flipped, all its labels flipped or not.

    Every equivariant learner answers a turned prompt with its own answer, turned back by the labels' sign. Signed
    permutations, unlike other orthogonal matrices, leave the law of independent coordinates as it is. Each prompt has
    its own: with one for all of them, chance correlations of a few turns would pass for something systematic.
    """

    order: Int[Tensor, "batch d_in"]
    signs: Float[Tensor, "batch 1 d_in"]
    label: Float[Tensor, "batch 1 1"]

    @classmethod
    def draw(cls, batch: int, d_in: int, exchangeable: bool, generator: torch.Generator) -> "SignedPermutation":
        """Random ones; coordinates of different scale keep their places."""
        order = torch.arange(d_in).expand(batch, d_in)
        if exchangeable:
            order = torch.rand(batch, d_in, generator=generator).argsort(dim=1)
        signs = torch.randint(0, 2, (batch, 1, d_in + 1), generator=generator) * 2.0 - 1.0
        return cls(order, signs[..., :d_in], signs[..., d_in:])

    def __call__(self, prompt: RegressionPrompt) -> RegressionPrompt:
        """The turned prompts."""
        signs, label = self.signs.to(prompt.x), self.label.to(prompt.x)
        order = self.order.to(prompt.x.device)[:, None]
        x, query = (part.gather(2, order.expand_as(part)) * signs for part in (prompt.x, prompt.query))
        return replace(prompt, x=x, query=query, y=prompt.y * label, target=prompt.target * label, teacher=None)
