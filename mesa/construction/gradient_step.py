"""Weights that perform gradient descent on the context's examples: the ground truth of every probe ([VO] Prop. 1).

All vectors are rows, W is (d_in, d_out). With A = W_Q W_K^T and V = W_V W_O, a layer of linear self-attention is
e_j <- e_j + sum_i (e_j A e_i^T) e_i V. For e_i = (x_i, r_i) take A = [[P, 0], [0, 0]] and V = [[0, c W0], [0, -c I]]:
the score is x_j P x_i^T, the value c (x_i W0 - r_i) in the y channels. So r_j <- r_j - x_j dW with
dW = c P sum_i x_i^T (r_i - x_i W0): with P = I, the step of L(W) = 1/(2N) sum |x_i W - y_i|^2 from W0, eta = c N.
After it r_i - x_i W0 = y_i - x_i (W0 + dW), so the same weights do the next step. The query starts at (x_q, -x_q W0)
and minus its y channels is x_q (W0 + sum dW). QED.

GD++ ([VO] A.10) also corrects the curvature: V = [[-gamma I, 0], [0, -c I]] adds -gamma x_j P S to x_j, S = X^T X, so
for P = I x_j <- x_j (I - gamma S). Its weights start at zero, because later layers would multiply W0 with changed
inputs. Another start is put into the tokens: (x_i, y_i - x_i W0) and (x_q, -x_q W0).
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from mesa.config.model import InContextConfig
from mesa.construction.products import Products, from_products
from mesa.learners.gradient_descent import per_step
from mesa.models.in_context import InContextTransformer


def gradient_step_products(
    step_size: float | Sequence[float],
    *,
    d_in: int,
    d_out: int = 1,
    steps: int = 1,
    start: Float[Tensor, "d_in d_out"] | None = None,
    preconditioner: Float[Tensor, "d_in d_in"] | None = None,
    gamma: float | Sequence[float] = 0.0,
    tied: bool = False,
    dtype: torch.dtype = torch.float64,
) -> tuple[Products, Products]:
    """The products A and V (layer head d_model d_model), of one head a layer, that `gradient_step_model` performs.

    Raises ValueError as `gradient_step_model` does.

    >>> A, V = gradient_step_products(0.6, d_in=1)
    >>> A[0, 0].tolist(), V[0, 0, 1].tolist()
    ([[1.0, 0.0], [0.0, 0.0]], [0.0, -0.6])
    """
    sizes = per_step("step_size", step_size, steps, tied)
    gammas = per_step("gamma", gamma, steps, tied)
    if start is not None and any(gammas):
        raise ValueError("start: with a gamma the weights start at zero; put another start into the tokens")
    width = d_in + d_out
    P = torch.eye(d_in, dtype=dtype) if preconditioner is None else preconditioner.to(dtype)
    W0 = torch.zeros(d_in, d_out, dtype=dtype) if start is None else start.to(dtype)
    A = torch.zeros(steps, 1, width, width, dtype=dtype)
    V = torch.zeros_like(A)
    for layer, (size, correction) in enumerate(zip(sizes, gammas, strict=True)):
        A[layer, 0, :d_in, :d_in] = P
        V[layer, 0, :d_in, :d_in] = -correction * torch.eye(d_in, dtype=dtype)
        V[layer, 0, :d_in, d_in:] = size * W0
        V[layer, 0, d_in:, d_in:] = -size * torch.eye(d_out, dtype=dtype)
    return A, V


def gradient_step_model(
    step_size: float | Sequence[float],
    *,
    d_in: int,
    d_out: int = 1,
    steps: int = 1,
    start: Float[Tensor, "d_in d_out"] | None = None,
    preconditioner: Float[Tensor, "d_in d_in"] | None = None,
    gamma: float | Sequence[float] = 0.0,
    tied: bool = False,
    n_heads: int = 1,
    clip: float | None = None,
    dtype: torch.dtype = torch.float64,
) -> InContextTransformer:
    """A model whose layer k is the k-th step of gradient descent or GD++; head 0 works, other heads are zero.

    `step_size` is c = eta/N, one for all steps or one each, and so is `gamma`, GD++'s correction. `start` is W0, to be
    given to the reader too. With a `preconditioner` P the update of W is P times the gradient. `clip` clamps tokens
    after every layer. Raises ValueError for a wrong number of values, for tied layers with different ones, and for a
    start together with a gamma.

    >>> model = gradient_step_model(0.6, d_in=3, steps=2)
    >>> model.blocks[1].attn.W_Q.shape
    torch.Size([1, 4, 4])
    """
    products = gradient_step_products(
        step_size,
        d_in=d_in,
        d_out=d_out,
        steps=steps,
        start=start,
        preconditioner=preconditioner,
        gamma=gamma,
        tied=tied,
        dtype=dtype,
    )
    config = InContextConfig(n_layers=steps, n_heads=n_heads, tied=tied, clip=clip)
    model = InContextTransformer(config, d_in + d_out, dtype=dtype)
    # The other heads are zero.
    A, V = (torch.nn.functional.pad(product, (0, 0, 0, 0, 0, n_heads - 1)) for product in products)
    return from_products(model, A, V)
