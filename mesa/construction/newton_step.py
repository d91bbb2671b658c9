"""Weights that perform Newton-Schulz iteration: one layer a step, in tokens that carry x, x M and y.

All vectors are rows. M_{k+1} = 2 M_k - M_k S M_k with S = sum_i x_i^T x_i, and for u_j = x_j M_k that is u_j <- 2 u_j -
sum_i (u_j x_i^T) u_i: attention from u to x, with values u. A layer adds to its token, which doubles nothing, so tokens
carry v_j = u_j / 2^k instead: v_j <- v_j - 2^(k-1) sum_i (v_j x_i^T) v_i. The first layer writes v_j = a sum_i (x_j
x_i^T) x_i = x_j M_0, M_0 = a S; the last one y_j <- y_j - 2^K sum_i (v_j x_i^T) y_i, and minus that of the query, whose
y entries began empty, is x_q M_K X^T Y. QED.

All prompts share the scale a. The learner's default, 1 / |S|_F^2 of each prompt, is not a polynomial of the tokens, and
linear attention computes only polynomials.
"""

import torch

from mesa.config.model import InContextConfig
from mesa.construction.products import from_products
from mesa.models.in_context import InContextTransformer


def newton_model(
    scale: float, *, d_in: int, d_out: int = 1, steps: int = 1, dtype: torch.dtype = torch.float64
) -> InContextTransformer:
    """A model of steps + 2 layers, 2 d_in + d_out wide, that predicts what `Newton(steps, scale=scale)` does.

    `scale` is a in M_0 = a S; the iteration converges for a below 2 / |S|^2. Tokens are paired ones, embedded: the
    middle d_in entries begin empty. Raises ValueError for less than one step.

    >>> newton_model(0.1, d_in=3, steps=2).cfg.n_layers
    4
    """
    if steps < 1:
        raise ValueError(f"steps: {steps} must be at least 1")
    width, layers = 2 * d_in + d_out, steps + 2
    model = InContextTransformer(InContextConfig(n_layers=layers, d_model=width), d_in + d_out, dtype=dtype)
    x, v, y = slice(0, d_in), slice(d_in, 2 * d_in), slice(2 * d_in, width)
    eye = torch.eye(d_in, dtype=dtype)
    A = torch.zeros(layers, 1, width, width, dtype=dtype)
    V = torch.zeros_like(A)
    A[0, 0, x, x], V[0, 0, x, v] = eye, scale * eye
    for step in range(steps):
        A[step + 1, 0, v, x], V[step + 1, 0, v, v] = eye, -(2.0 ** (step - 1)) * eye
    A[-1, 0, v, x], V[-1, 0, y, y] = eye, -(2.0**steps) * torch.eye(d_out, dtype=dtype)
    twin = from_products(model, A, V)
    with torch.no_grad():
        twin.embed.W_E.zero_()
        twin.embed.W_E[:d_in, x] = eye
        twin.embed.W_E[d_in:, y] = torch.eye(d_out, dtype=dtype)
    return twin
