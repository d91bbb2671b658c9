"""What gradient descent and GD++ share: how weights change in a step, in moments, and how clipped tokens do.

One GD++ layer turns rows x_j into x_j (I - gamma S) and residuals r_j into r_j - c x_j m, with S = X^T X and m = X^T R
of the tokens before it. All that a prediction needs of the context is (S, m), and with T = I - gamma S they become
S' = T S T and m' = X'^T R' = T (m - c S m). A query x_q has become x_q T_1 ... T_k when step k adds c_k x_q T_1 ... T_k
m_k, so the implied weights are W_k = W_0 + sum_k c_k T_1 ... T_k m_k: a cost of d^3 a step, however long the context.
Gradient descent is gamma = 0: S and T stay. QED.
"""

from collections.abc import Callable
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from mesa.learners.spectrum import spectrum
from tasks.prompt import RegressionPrompt

Moments = tuple[Float[Tensor, "batch d_in d_in"], Float[Tensor, "batch d_in d_out"]]


def moments(prompt: RegressionPrompt, start: Tensor | None = None) -> Moments:
    """S = X^T X and m = X^T (Y - X W0)."""
    residual = prompt.y if start is None else prompt.y - prompt.x @ start
    return prompt.x.mT @ prompt.x, prompt.x.mT @ residual


def descend(context: Moments, gammas: Tensor | None, sizes: Tensor) -> Float[Tensor, "learner_step batch d_in d_out"]:
    """What each step has added to the weights in all, for one gamma (None: all zero) and one step size c a step."""
    S, m = context
    path, total, transform = [], torch.zeros_like(m), None
    for index, size in enumerate(sizes):
        change = size * m
        total = total + (change if transform is None else transform @ change)
        path.append(total)
        if index == len(sizes) - 1:
            break
        m = m - size * (S @ m)
        if gammas is not None:
            T = torch.eye(S.shape[-1], dtype=S.dtype, device=S.device) - gammas[index] * S
            transform = T if transform is None else transform @ T
            m, S = T @ m, T @ S @ T
    return torch.stack(path)


def reach(prompt: RegressionPrompt, start: Tensor | None = None) -> Callable[[Tensor | None, Tensor], Tensor]:
    """The predictions after the last step, less the start's, as a function of gammas (None: all zero) and sizes.

    For searches, in float64: in the eigenbasis of S a step is a product of numbers, so an evaluation costs d a prompt.
    """
    context = spectrum(prompt if start is None else replace(prompt, y=prompt.y - prompt.x @ start))
    query = prompt.query.double() @ context.basis

    def last(gammas: Tensor | None, sizes: Tensor) -> Tensor:
        s, total = context.values, torch.zeros_like(context.values)
        residual = transform = torch.ones_like(s)
        for index, size in enumerate(sizes):
            total = total + size * transform * residual
            residual = residual - size * s * residual
            if gammas is not None and index < len(sizes) - 1:
                T = 1.0 - gammas[index] * s
                residual, transform, s = T * residual, T * transform, T * T * s
        return query @ (total[..., None] * context.moment)

    return last


def descend_clipped(
    prompt: RegressionPrompt, gammas: Tensor | None, sizes: Tensor, start: Tensor | None, clip: float
) -> Float[Tensor, "learner_step batch query d_out"]:
    """The predictions after each step where every entry of every token is clamped to +-clip after each step."""
    count = prompt.x.shape[1]
    x = torch.cat([prompt.x, prompt.query], dim=1)
    query_y = torch.zeros_like(prompt.target) if start is None else -(prompt.query @ start)
    y, path = torch.cat([prompt.y, query_y], dim=1), []
    for index, size in enumerate(sizes):
        context_x = x[:, :count]
        residual = y[:, :count] if start is None else y[:, :count] - context_x @ start
        y = (y - size * (x @ (context_x.mT @ residual))).clamp(-clip, clip)
        if gammas is not None:
            x = (x - gammas[index] * (x @ (context_x.mT @ context_x))).clamp(-clip, clip)
        path.append(-y[:, count:])
    return torch.stack(path)


def typical_norm(prompt: RegressionPrompt) -> float:
    """The median over prompts of the largest eigenvalue of S: steps beyond 2 / it diverge on most of them."""
    x = prompt.x.double()
    return float(torch.linalg.matrix_norm(x.mT @ x, ord=2).median())
