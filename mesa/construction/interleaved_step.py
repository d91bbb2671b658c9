"""Weights that perform one gradient step on interleaved x and y: layer 1 copies labels, layer 2 takes the step.

Tokens are those of InterleavedReader(one_hot=True) with one output. Their d_in content channels hold x_j at position
2j, and y_j in the last of them at position 2j + 1. Then come one-hot positions, and two channels T and R that are zero.
All vectors are rows.

Layer 1 has softmax attention on positions alone. The score is s where the key follows an even token, or is the odd
token itself, and 0 elsewhere. With s = 50 all other keys together have a weight of 2N exp(-50), which is lost in
float64. The value writes the last content channel to T, so both tokens of a pair now hold T = y_j.

Layer 2 is linear. Head 0 has the score (content of the query) . (content of the key) and writes -c T to R. Even tokens
add -c (q . x_j) y_j, which is the step. Odd tokens add -c (q_last y_j) y_j, because their content is y_j in the last
channel. Head 1 removes the latter: its score is q_last T, and its value is (c/2) T. Each pair has two tokens with
T = y_j, so head 1 adds 2 (c/2) q_last y_j y_j. The sum in R is -c sum_j (q . x_j) y_j. Minus this is the prediction of
one step of gradient descent from W0 = 0 with eta = c N. QED.

One copying head and one linear head are not enough: without head 1, y tokens would be taken for x tokens.
"""

import torch

from mesa.config.model import InContextConfig
from mesa.construction.products import from_products
from mesa.models.in_context import InContextTransformer

# The score of the one key that a token of layer 1 attends to, all others having 0.
_SCORE = 50.0


def interleaved_step_model(
    step_size: float, *, d_in: int, context: int, dtype: torch.dtype = torch.float64
) -> InContextTransformer:
    """Two layers, softmax and linear, of two heads that do one gradient step on InterleavedReader(one_hot=True).

    `step_size` is c = eta/N; the model is for contexts of this length and one output, and its second head in layer 1 is
    empty. Source: [VO] section 4 and figure 5, where such a model is trained. Raises ValueError for a d_in or context
    below 1.

    >>> model = interleaved_step_model(0.6, d_in=3, context=5)
    >>> model.cfg.d_model, model.cfg.n_layers, model.cfg.n_heads
    (16, 2, 2)
    """
    for name, value in (("d_in", d_in), ("context", context)):
        if value < 1:
            raise ValueError(f"{name}: {value} must be at least 1")
    width = d_in + 2 * context + 3
    last, target, result = d_in - 1, width - 2, width - 1
    model = InContextTransformer(
        InContextConfig(n_layers=2, n_heads=2, kernel=["softmax", "linear"]), width, seed=0, dtype=dtype
    )
    A = torch.zeros(2, 2, width, width, dtype=dtype)
    V = torch.zeros_like(A)
    odd = d_in + 1 + 2 * torch.arange(context)
    A[0, 0, odd - 1, odd] = A[0, 0, odd, odd] = _SCORE
    V[0, 0, last, target] = 1.0
    A[1, 0, :d_in, :d_in] = torch.eye(d_in, dtype=dtype)
    V[1, 0, target, result] = -step_size
    A[1, 1, last, target] = 1.0
    V[1, 1, target, result] = step_size / 2
    return from_products(model, A, V)
