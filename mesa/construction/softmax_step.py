"""Two softmax heads that approximate one gradient step by small scores ([VO] appendix A.9).

With scores s_i = e (x_q . x_i) a head's pattern is (1/N) (1 + s_i - mean s + O(s^2)): a constant, which adds the
labels' mean, and the linear term, in which every input has lost the context's mean. Two heads with A = e I and -e I and
values of opposite signs cancel the constant and the terms of second order: with values -+ c N / (2 e) their sum writes
-c (x_q . sum_i (x_i - x_mean) y_i), up to a relative error of order s^2. This is one step of gradient descent on
centred inputs. Softmax always subtracts the mean, so no e gives the step on the inputs themselves. QED.
"""

import torch

from mesa.config.model import InContextConfig
from mesa.construction.products import from_products
from mesa.models.in_context import InContextTransformer


def softmax_step_model(
    step_size: float,
    *,
    d_in: int,
    context: int,
    d_out: int = 1,
    sharpness: float = 0.05,
    dtype: torch.dtype = torch.float64,
) -> InContextTransformer:
    """One layer with two softmax heads that does one gradient step on centred inputs, for contexts of this length.

    `step_size` is c = eta/N; `sharpness` is e, what a product of two inputs is multiplied by to be a score: the
    relative error is about (e |x_q| |x_i|)^2. Raises ValueError for a sharpness that is not positive.

    >>> model = softmax_step_model(0.6, d_in=3, context=5)
    >>> model.blocks[0].attn.W_Q.shape
    torch.Size([2, 4, 4])
    """
    if not sharpness > 0:
        raise ValueError(f"sharpness: {sharpness} must be positive: scores of zero carry nothing")
    width = d_in + d_out
    model = InContextTransformer(InContextConfig(n_heads=2, kernel="softmax"), width, dtype=dtype)
    A = torch.zeros(1, 2, width, width, dtype=dtype)
    V = torch.zeros_like(A)
    for head, sign in enumerate((1.0, -1.0)):
        A[0, head, :d_in, :d_in] = sign * sharpness * torch.eye(d_in, dtype=dtype)
        V[0, head, d_in:, d_in:] = -sign * step_size * context / (2 * sharpness) * torch.eye(d_out, dtype=dtype)
    return from_products(model, A, V)
