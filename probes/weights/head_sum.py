"""The sum of the heads' weights, sum_h eta_h A_h: is it one gradient step's preconditioner? ([VO] appendix A.9)"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mesa.construction.products import weight_products
from probes.readings.reading import Reading
from probes.subject import RegressionSubject
from probes.weights.normalised_products import why_not_attention_only
from tasks.readers.paired import PairedReader

# Entries smaller than this, relative to all entries and in units of machine epsilon, are rounding.
_ROUNDING = 100.0


@dataclass(frozen=True)
class HeadSum:
    """The x block of M = sum_h eta_h A_h, with eta_h the last diagonal entry of V_h, in every layer of any kernel.

    For labels of one entry a layer writes x_q M sum_i x_i y_i for linear kernels, and for softmax x_q M times the mean
    of x_i y_i, inputs centred, to first order in the scores. Gradient descent has M = -c I for linear kernels and
    M = -c N I for softmax. Metrics per layer:

    - `off_diagonal_mass`: the norm of M's other entries relative to that of its diagonal, from 0 (diagonal).
    - `off_diagonal_left`: the norm of M's entries off the diagonal relative to the sum of the norms of the heads' own.
      It is 0 where heads cancel each other's entries, 1 where they add up and for a single head. It is missing (NaN)
      where no head has entries off the diagonal.
    - `identity_distance`: min_a |M - a I| / |M|, from 0 (a multiple of I) to 1.
    - `step_size`: c.
    - `offset`: |sum_h eta_h| / sum_h |eta_h|, the part of softmax's constant term that the heads do not cancel: 0 where
      they cancel it, 1 where all have one sign.

    Metrics per head: `eta`, and `sharpness`, the mean diagonal entry of A_h's x block. Arrays: `head_sum`, `head_A` (x
    blocks) and `head_eta`.

    >>> from mesa.construction import softmax_step_model
    >>> from tasks import LinearRegression, PairedReader
    >>> subject = RegressionSubject(softmax_step_model(0.5, d_in=10, context=10), PairedReader(), LinearRegression())
    >>> table = HeadSum()(subject, torch.Generator().manual_seed(0)).table
    >>> round(table[table.metric == "step_size"].value.item(), 6)
    0.5
    """

    name: str = "head_sum"

    @RegressionSubject.needed_to_apply
    def applies(self, subject: RegressionSubject) -> str | None:
        """Attention on paired tokens with one label entry, without norm, MLP and embedding."""
        reason = why_not_attention_only(subject)
        if reason is None and isinstance(subject.reader, PairedReader) and subject.reader.d_out != 1:
            return "eta is one number a head only where labels have one entry"
        return reason

    @RegressionSubject.needed_to_measure
    def __call__(self, subject: RegressionSubject, generator: torch.Generator) -> Reading:
        """Measure; a prompt is drawn only for its shape."""
        model = subject.with_weights()
        prompt = subject.prompts(1, generator)
        context, d_in = prompt.x.shape[1:]
        A, V = weight_products(model)
        A, eta = A[..., :d_in, :d_in], V[..., -1, -1]
        total = (eta[..., None, None] * A).sum(dim=1)
        rows = []
        for layer, kernel in enumerate(model.config.kernels):
            weight = context if kernel == "softmax" else 1
            metrics = _shape(total[layer]) | {
                "off_diagonal_left": _left_off_diagonal(eta[layer, :, None, None] * A[layer]),
                "step_size": -float(total[layer].diagonal().mean()) / weight,
                "offset": float(eta[layer].sum().abs() / eta[layer].abs().sum()),
            }
            rows += [{"metric": metric, "layer": layer, "value": value} for metric, value in metrics.items()]
            for head in range(model.cfg.n_heads):
                by_metric = {"eta": float(eta[layer, head]), "sharpness": float(A[layer, head].diagonal().mean())}
                rows += [{"metric": m, "layer": layer, "head": head, "value": value} for m, value in by_metric.items()]
        arrays = {"head_sum": total, "head_A": A, "head_eta": eta}
        return Reading.of(rows, {name: array.cpu().numpy() for name, array in arrays.items()})


def _left_off_diagonal(parts: Float[Tensor, "head d_in d_in"]) -> float:
    """|off-diagonal of the sum| / sum of the parts' |off-diagonal|; NaN where the parts have none beyond rounding."""
    off_diagonal = parts - torch.diag_embed(parts.diagonal(dim1=-2, dim2=-1))
    norms = off_diagonal.flatten(1).norm(dim=-1).sum()
    if norms <= _ROUNDING * torch.finfo(parts.dtype).eps * parts.flatten(1).norm(dim=-1).sum():
        return math.nan
    return float(off_diagonal.sum(dim=0).norm() / norms)


def _shape(M: Tensor) -> dict[str, float]:
    diagonal = M.diagonal()
    off_diagonal = M - torch.diag(diagonal)
    nearest = diagonal.mean() * torch.eye(len(M), dtype=M.dtype, device=M.device)
    return {
        "off_diagonal_mass": float(off_diagonal.norm() / diagonal.norm()),
        "identity_distance": float((M - nearest).norm() / M.norm()),
    }
