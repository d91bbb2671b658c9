"""Fitting a function of eigenvalues to predictions: all that a search needs of many prompts is one small matrix.

The prediction of a spectral learner for a prompt is sum_k q_k h(s_k) m_k: q is the query and m = X^T Y in the
eigenbasis of S, s_k its eigenvalues. A function h is given by its values at Chebyshev nodes: h(s) = sum_j h_j l_j(s)
with Lagrange's polynomials l_j, exactly for polynomials of a degree below the number of nodes. The prediction is then
linear in the h_j, with features sum_k q_k l_j(s_k) m_k, and the squared loss over all prompts is a quadratic form
(h - h*)^T G (h - h*) plus a constant. G and h* are computed once; an evaluation costs the square of the number of
nodes, however many prompts there are. QED.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mesa.learners.spectrum import Spectrum, spectrum
from tasks.prompt import RegressionPrompt

NODES = 48
# Response of parameters (start parameter) at the nodes (node), in units of 1 / `unit`: (start node).
Curve = Callable[[Tensor, Tensor], Tensor]
_ITERATIONS, _BEST_STARTS = 60, 4
# A search ends where the loss is this share of the predictions' mean square.
_EXACT = 1e-24


@dataclass(frozen=True, eq=False)
class Projection:
    """The loss of every function of eigenvalues on some prompts.

    `unit` is the median over prompts of the largest eigenvalue of S; `nodes` are eigenvalues in this unit. `root` times
    the difference of a curve and `best`, both in units of 1 / `unit`, is a residual whose square is the loss.
    """

    unit: float
    nodes: Float[Tensor, " node"]
    root: Float[Tensor, "node node"]
    best: Float[Tensor, " node"]
    context: Spectrum
    query: Float[Tensor, "batch query rank"]
    target: Float[Tensor, "batch query d_out"]

    @classmethod
    def of(cls, prompt: RegressionPrompt) -> "Projection":
        """Project prompts, whose targets are to be predicted."""
        wide = prompt.to(dtype=torch.float64)
        context = spectrum(wide)
        largest = context.values.amax(dim=-1)
        unit = float(largest.median()) or 1.0
        angles = torch.pi * (torch.arange(NODES, dtype=torch.float64) + 0.5) / NODES
        end = max(float(largest.max()) / unit, 1e-9)
        nodes = (0.5 * end * (1.0 - angles.cos())).to(context.values.device)
        query = wide.query @ context.basis
        features = _features(context, query, nodes, end, unit)
        target = wide.target.flatten()
        values, vectors = torch.linalg.eigh(features.mT @ features / len(target))
        kept = values > 1e-15 * values.max()
        inverse = torch.where(kept, 1.0 / values.clamp(min=torch.finfo(torch.float64).tiny), 0.0)
        best = vectors @ (inverse * (vectors.mT @ (features.mT @ target / len(target))))
        root = torch.where(kept, values, 0.0).sqrt()[:, None] * vectors.mT
        return cls(unit, nodes, root, best, context, query, wide.target)

    def fit(self, curve: Curve, starts: Sequence[Sequence[float]]) -> tuple[float, ...]:
        """The parameters of least loss that Levenberg and Marquardt's method reaches from the best of the starts."""
        candidates = torch.tensor(starts, dtype=torch.float64)
        losses = self._residuals(curve, candidates).square().sum(dim=-1)
        order = losses.nan_to_num(nan=torch.inf).argsort()[:_BEST_STARTS]
        exact = _EXACT * float((self.root @ self.best).square().sum())
        ends, end_losses = self._descend(curve, candidates[order], exact)
        return tuple(ends[int(end_losses.nan_to_num(nan=torch.inf).argmin())].tolist())

    def loss_of(self, responses: Float[Tensor, "*learner batch rank"]) -> Float[Tensor, "*learner"]:
        """The mean squared error of responses given for every prompt's own eigenvalues, without interpolation."""
        guess = self.query @ (responses[..., None] * self.context.moment)
        return (guess - self.target).square().mean(dim=(-1, -2, -3))

    def _residuals(self, curve: Curve, parameters: Tensor) -> Tensor:
        return (curve(parameters, self.nodes) - self.best) @ self.root.mT

    def _descend(self, curve: Curve, starts: Tensor, exact: float) -> tuple[Tensor, Tensor]:
        """Where each start (start parameter) leads, and the losses there; it ends where one of them is exact.

        All starts descend side by side, each with its own damping, because an evaluation costs little more for several.
        """
        points, count = starts.clone(), starts.shape[1]
        residuals = self._residuals(curve, points)
        losses, dampings = residuals.square().sum(dim=-1), torch.full((len(points),), 1e-3, dtype=points.dtype)
        active = torch.arange(len(points))
        for _ in range(_ITERATIONS):
            if not len(active) or bool((losses <= exact).any()):
                break
            steps = 1e-6 * (points[active].abs() + 1e-2)
            shift = torch.diag_embed(steps)
            moved = points[active, None] + torch.cat([shift, -shift], dim=1)
            ahead = self._residuals(curve, moved.flatten(0, 1)).unflatten(0, moved.shape[:2])
            slopes = ((ahead[:, :count] - ahead[:, count:]) / (2.0 * steps[..., None])).nan_to_num(0.0, 0.0, 0.0)
            normal, gradient = slopes @ slopes.mT, (slopes @ residuals[active, :, None])[..., 0]
            before = losses[active]
            self._improve(curve, (points, residuals, losses, dampings), active, normal, gradient)
            gain = before - losses[active]
            # NaN counts as no gain.
            active = active[(gain > 0.0) & (gain >= 1e-8 * losses[active])]
        return points, losses

    def _improve(
        self,
        curve: Curve,
        state: tuple[Tensor, Tensor, Tensor, Tensor],
        active: Tensor,
        normal: Tensor,
        gradient: Tensor,
    ) -> None:
        """Take a step from every active point, damped until the loss falls or the damping has no end."""
        points, residuals, losses, dampings = state
        rows = torch.arange(len(active))
        while len(rows):
            at = active[rows]
            diagonal = dampings[at, None] * normal[rows].diagonal(dim1=1, dim2=2) + 1e-300
            damped = normal[rows] + torch.diag_embed(diagonal)
            changes = [
                np.linalg.lstsq(each.numpy(), -slope.numpy(), rcond=1e-14)[0]
                for each, slope in zip(damped, gradient[rows], strict=True)
            ]
            trial_points = points[at] + torch.from_numpy(np.stack(changes))
            trials = self._residuals(curve, trial_points)
            trial_losses = trials.square().sum(dim=-1)
            better = trial_losses < losses[at]
            points[at[better]], residuals[at[better]] = trial_points[better], trials[better]
            losses[at[better]] = trial_losses[better]
            dampings[at] *= torch.where(better, 0.2, 8.0).to(dampings)
            rows = rows[~better & (dampings[at] < 1e8)]


def _features(context: Spectrum, query: Tensor, nodes: Tensor, end: float, unit: float) -> Tensor:
    """Sum_k q_k l_j(s_k) m_k / unit, (batch * query * d_out, node): through Chebyshev polynomials, which are stable."""
    positions = 1.0 - 2.0 * context.values / (unit * end)
    polynomials = [torch.ones_like(positions), positions]
    for _ in range(NODES - 2):
        polynomials.append(2.0 * positions * polynomials[-1] - polynomials[-2])
    at_nodes = (torch.arange(NODES)[:, None] * (1.0 - 2.0 * nodes / end).clamp(-1.0, 1.0).arccos()).cos()
    # h = sum_n c_n T_n with c_n = (2 - [n = 0]) / NODES sum_j h_j T_n(node_j).
    to_coefficients = at_nodes * (2.0 / NODES)
    to_coefficients[0] *= 0.5
    stacked = torch.stack(polynomials, dim=-1)  # batch rank n
    weighted = torch.einsum("bqr,bro,brn->bqon", query, context.moment / unit, stacked)
    return weighted.flatten(0, 2) @ to_coefficients.to(weighted)
