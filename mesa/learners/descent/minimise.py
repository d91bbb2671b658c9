"""Fitting a learner's few free numbers: scipy's L-BFGS-B with torch's gradients, in float64."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

# Stands for a loss that overflowed: larger than any other, and finite, because a line search needs a number.
_WORST = 1e30


def minimise(
    loss: Callable[[Tensor], Tensor],
    start: Tensor,
    bounds: Sequence[tuple[float | None, float | None]] | None = None,
    tolerance: float = 1e-10,
) -> Tensor:
    """Where a scalar loss of a float64 vector is least near `start`; a loss that is not finite counts as very large.

    The loss is measured in units of its value at the start, so that `tolerance`, the relative gain of a step at which
    the search ends, means the same for labels of any scale. From a start whose loss is not finite it does not move.

    >>> minimise(lambda v: ((v - 3.0) ** 2).sum(), torch.zeros(1)).round(decimals=6)
    tensor([3.], dtype=torch.float64)
    """
    shape, unit = start.shape, 1.0

    def value(flat: np.ndarray) -> tuple[float, np.ndarray]:
        point = torch.from_numpy(flat.copy()).view(shape).to(start.device).requires_grad_()
        with torch.enable_grad():
            value_at_point = loss(point)
            (slope,) = torch.autograd.grad(value_at_point, point)
        if not (bool(torch.isfinite(value_at_point)) and bool(torch.isfinite(slope).all())):
            return _WORST, np.zeros_like(flat)
        return float(value_at_point.detach()) / unit, slope.flatten().cpu().numpy() / unit

    options = {"ftol": tolerance, "gtol": 1e-10, "maxiter": 200, "maxfun": 400}
    begin = start.detach().double().flatten().cpu().numpy()
    unit = abs(value(begin)[0]) or 1.0
    result = minimize(value, begin, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    return torch.from_numpy(result.x).view(shape).to(start.device)
