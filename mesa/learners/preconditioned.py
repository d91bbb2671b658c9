"""Gradient descent times a fixed matrix: its one step is the best that one linear layer can do ([AHN] Thm 1)."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from mesa.learners.descent.minimise import minimise
from mesa.learners.descent.steps import Moments, moments
from tasks.prompt import RegressionPrompt
from tasks.readers.reader import half_squared_error


@dataclass(frozen=True, eq=False)
class PreconditionedGradientDescent:
    """`steps` steps W <- W + P X^T (Y - X W) from zero with one d_in x d_in preconditioner P for all steps and prompts.

    With P = c I it is plain gradient descent; without a preconditioner P is the identity (Ahn et al. 2023, arXiv
    2306.00297). With `symmetric` a fit keeps the symmetric part of the matrix it finds. Raises ValueError for less than
    one step, or a P that is not d_in x d_in.

    >>> x = torch.eye(2)[None]
    >>> prompt = RegressionPrompt(x, torch.ones(1, 2, 1), query=x[:, :1], target=torch.ones(1, 1, 1))
    >>> PreconditionedGradientDescent(0.5 * torch.eye(2), steps=2).predict(prompt).flatten()
    tensor([0.5000, 0.7500])
    """

    preconditioner: Float[Tensor, "d_in d_in"] | None = None
    steps: int = 1
    symmetric: bool = False
    name: str = "preconditioned_gd"

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"steps: {self.steps} must be at least 1")

    @property
    def parameters(self) -> dict[str, float]:
        """The mean diagonal entry of P, its largest and smallest singular values, and its asymmetric share."""
        if self.preconditioner is None:
            return {}
        P = self.preconditioner.double()
        sizes = torch.linalg.svdvals(P)
        return {
            "mean_diagonal": float(P.diagonal().mean()),
            "largest_singular_value": float(sizes[0]),
            "smallest_singular_value": float(sizes[-1]),
            "asymmetric_share": float((P - P.mT).norm() / (2.0 * P.norm())),
        }

    def weights(self, prompt: RegressionPrompt) -> Float[Tensor, "learner_step batch d_in d_out"]:
        """The weights after each step."""
        d_in = prompt.x.shape[2]
        P = torch.eye(d_in) if self.preconditioner is None else self.preconditioner
        if tuple(P.shape) != (d_in, d_in):
            raise ValueError(f"preconditioner: shape {tuple(P.shape)} must be (d_in, d_in) = {(d_in, d_in)}")
        return torch.stack(_descend(moments(prompt), P.to(prompt.x), self.steps))

    def predict(self, prompt: RegressionPrompt) -> Float[Tensor, "learner_step batch query d_out"]:
        """The prediction after each step."""
        return prompt.query @ self.weights(prompt)

    def fit(self, prompt: RegressionPrompt) -> "PreconditionedGradientDescent":
        """The preconditioner of least loss after the last step.

        One step has a closed form. More are descended from the best of three stable matrices: multiples of the
        identity, of the inverse second moment of the inputs, and of the one-step solution.
        """
        P = self._fitted(prompt.to(dtype=torch.float64))
        return replace(self, preconditioner=(P + P.mT) / 2 if self.symmetric else P)

    def _fitted(self, prompt: RegressionPrompt) -> Float[Tensor, "d_in d_in"]:
        if self.steps == 1:
            return _one_step(prompt)
        # In inputs x R, of second moment I, the preconditioner is R^-1 P R^-1 and the search is well-conditioned.
        root = _root(prompt.x)
        white = replace(prompt, x=prompt.x @ root, query=prompt.query @ root)
        context, eye = moments(white), torch.eye(len(root), dtype=root.dtype, device=root.device)

        def loss(Q: Tensor) -> Tensor:
            return half_squared_error(white.query @ _descend(context, Q, self.steps)[-1], white.target)

        back = torch.linalg.inv(root)
        starts = [_stable(loss, context[0], Q) for Q in (eye, back @ back, _one_step(white))]
        if self.preconditioner is not None:
            starts.append(back @ self.preconditioner.to(back) @ back)
        start = min(starts, key=lambda Q: float(loss(Q).nan_to_num(nan=torch.inf)))
        unit = start.norm()
        whitened = unit * minimise(lambda Q: loss(unit * Q), start / unit)
        return root @ whitened @ root


def _descend(context: Moments, P: Tensor, steps: int) -> list[Float[Tensor, "batch d_in d_out"]]:
    S, m = context
    path = [P @ m]
    for _ in range(steps - 1):
        path.append(path[-1] + P @ (m - S @ path[-1]))
    return path


def _one_step(prompt: RegressionPrompt) -> Float[Tensor, "d_in d_in"]:
    """The best P for one step: the prediction x_q^T P X^T Y is linear in P, so it is least squares.

    Row (prompt, query, output) of the system has the d_in^2 features x_q (X^T Y)^T; it is solved by its normal
    equations in float64, whose condition is that of the inputs' fourth moments. A ridge of 1e-12 of the mean
    diagonal picks the smallest solution where there are fewer prompts than features. (LAPACK's least-squares
    driver gives other last bits from call to call, which a report must not.)
    """
    features = torch.einsum("bqi,bjo->bqoij", prompt.query, prompt.x.mT @ prompt.y).flatten(0, 2).flatten(1)
    normal = features.mT @ features
    normal.diagonal().add_(1e-12 * normal.diagonal().mean())
    solution = torch.linalg.solve(normal, features.mT @ prompt.target.flatten()[:, None])
    return solution.view(prompt.query.shape[-1], -1)


def _root(x: Tensor) -> Float[Tensor, "d_in d_in"]:
    """R = C^{-1/2} of the second moment C of all inputs; directions that inputs hardly have are not blown up."""
    flat = x.flatten(0, 1)
    values, basis = torch.linalg.eigh(flat.mT @ flat / len(flat))
    return basis * values.clamp(min=1e-8 * float(values.max())).rsqrt() @ basis.mT


def _stable(loss: Callable[[Tensor], Tensor], S: Tensor, Q: Tensor) -> Tensor:
    """The multiple of Q of least loss among twenty, up to where most prompts diverge: |Q S| above 2."""
    unit = Q / torch.linalg.matrix_norm(Q @ S, ord=2).median()
    sizes = [0.1 * (k + 1) for k in range(20)]
    return min((size * unit for size in sizes), key=lambda guess: float(loss(guess).nan_to_num(nan=torch.inf)))
