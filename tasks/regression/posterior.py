"""The Bayes-optimal predictions of linear regression: posterior means of the teacher times the query."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from tasks.prompt import RegressionPrompt

# This many numbers of float64 take 32 megabytes.
_AT_ONCE = 2**22


@dataclass(frozen=True, eq=False)
class GaussianPosterior:
    """For teachers w ~ N(0, diag(prior^2)): ridge regression with the true noise, least squares of least norm without.

    With z = x * prior and noise of standard deviation sigma the posterior mean is Z^T (Z Z^T + sigma^2 I)^-1 y in
    units of the prior; its limit for sigma -> 0 is the pseudo-inverse.

    >>> x = torch.eye(2)[None]
    >>> prompt = RegressionPrompt(x, torch.ones(1, 2, 1), query=x[:, :1], target=torch.ones(1, 1, 1))
    >>> GaussianPosterior(prior=(1.0, 1.0), noise=1.0).predict(prompt).item()
    0.5
    """

    prior: tuple[float, ...]
    noise: float
    name: str = "bayes"

    def predict(self, prompt: RegressionPrompt) -> Float[Tensor, "learner_step batch query d_out"]:
        """The prediction, as a single step."""
        prior = prompt.x.new_tensor(self.prior)
        return ((prompt.query * prior).double() @ self._scaled_weights(prompt, prior)).to(prompt.y.dtype)[None]

    def weights(self, prompt: RegressionPrompt) -> Float[Tensor, "learner_step batch d_in d_out"]:
        """The posterior mean of the teacher, as a single step."""
        prior = prompt.x.new_tensor(self.prior)
        return (prior.double()[:, None] * self._scaled_weights(prompt, prior)).to(prompt.y.dtype)[None]

    def _scaled_weights(self, prompt: RegressionPrompt, prior: Tensor) -> Float[Tensor, "batch d_in d_out"]:
        z = (prompt.x * prior).double()
        gram = z @ z.mT
        gram.diagonal(dim1=-2, dim2=-1).add_(self.noise**2)
        return z.mT @ (torch.linalg.pinv(gram, hermitian=True) @ prompt.y.double())


@dataclass(frozen=True, eq=False)
class SetPosterior:
    """For teachers drawn uniformly from a fixed set: their mean, weighted by exp(-|y - x w|^2 / 2 s^2).

    s is the standard deviation of the noise. The limit s -> 0 is the mean of the teachers that fit all labels, or of
    the nearest ones where none fits.

    >>> teachers = torch.tensor([[[1.0]], [[3.0]]])
    >>> x = torch.ones(1, 1, 1)
    >>> prompt = RegressionPrompt(x, 3 * x, query=2 * x, target=6 * x)
    >>> SetPosterior(teachers, noise=0.0).predict(prompt).item()
    6.0
    """

    teachers: Float[Tensor, "teacher d_in d_out"]
    noise: float
    name: str = "bayes"

    def predict(self, prompt: RegressionPrompt) -> Float[Tensor, "learner_step batch query d_out"]:
        """The prediction, as a single step."""
        return (prompt.query.double() @ self._means(prompt)).to(prompt.y.dtype)[None]

    def weights(self, prompt: RegressionPrompt) -> Float[Tensor, "learner_step batch d_in d_out"]:
        """The posterior mean of the teacher, as a single step."""
        return self._means(prompt).to(prompt.y.dtype)[None]

    def _means(self, prompt: RegressionPrompt) -> Float[Tensor, "batch d_in d_out"]:
        teachers = self.teachers.to(prompt.x.device).double()
        at_once = max(1, _AT_ONCE // len(teachers))
        wide = prompt.to(dtype=torch.float64)
        batches = [wide.batch(start, start + at_once) for start in range(0, len(wide.x), at_once)]
        return torch.cat([torch.einsum("bk,kio->bio", self._posterior(batch, teachers), teachers) for batch in batches])

    def _posterior(
        self, prompt: RegressionPrompt, teachers: Float[Tensor, "teacher d_in d_out"]
    ) -> Float[Tensor, "batch teacher"]:
        """How likely each teacher is, given each context."""
        # |y - x w|^2 multiplied out is a product of matrices; residuals would need a number per example and teacher.
        S, moment = (prompt.x.mT @ prompt.x).flatten(1), (prompt.x.mT @ prompt.y).flatten(1)
        square = prompt.y.square().sum(dim=(1, 2))[:, None] - 2.0 * moment @ teachers.flatten(1).T
        error = (square + S @ (teachers @ teachers.mT).flatten(1).T).clamp(min=0.0)
        least = error.min(dim=-1, keepdim=True).values
        if self.noise > 0:
            # The nearest teacher's error is subtracted: its exponent is then 0, however small the noise is.
            return torch.softmax(-0.5 * (error - least) / self.noise / self.noise, dim=-1)
        # Labels are sums of d_in products in float32: the true teacher's error is no smaller than their rounding.
        size = prompt.x.flatten(1).norm(dim=-1) * teachers.flatten(1).norm(dim=-1).max()
        rounding = prompt.x.shape[-1] * torch.finfo(torch.float32).eps * size[:, None]
        fits = (error.sqrt() <= least.sqrt() + rounding).double()
        return fits / fits.sum(dim=-1, keepdim=True)
