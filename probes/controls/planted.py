"""Planted models: weights or modules that run a known algorithm, with noise, to test what probes make of them."""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from mesa.models.in_context import InContextTransformer
from tasks.predictor import RegressionPredictor
from tasks.prompt import RegressionPrompt


def noisy(model: InContextTransformer, noise: float, generator: torch.Generator) -> InContextTransformer:
    """A copy whose every weight w is w (1 + `noise` n), n ~ N(0, 1), and then in a random basis of every head.

    Noise comes before the basis, so it is relative to the algorithm's own weights, and zeros stay zero: noise of 1 % of
    a matrix's norm on every entry already breaks two tuned steps of GD++, as A's entry between labels feeds back their
    squares (E (f - g)^2 is then twice Var f). Tied layers stay tied: what they share is moved once.
    """
    twin = copy.deepcopy(model)
    done: set[int] = set()
    with torch.no_grad():
        for block in twin.blocks:
            attn = block.attn
            if id(attn.W_Q) in done:
                continue
            done.add(id(attn.W_Q))
            for name in ("W_Q", "W_K", "W_V", "W_O"):
                weight = getattr(attn, name)
                weight.mul_(1.0 + noise * torch.randn(weight.shape, generator=generator, dtype=weight.dtype))
            for left, right in (("W_Q", "W_K"), ("W_V", "W_O")):
                basis = _orthogonal(attn.W_Q, generator)
                ours, theirs = getattr(attn, left), getattr(attn, right)
                ours.copy_(ours @ basis)
                theirs.copy_(theirs @ basis if right == "W_K" else basis.mT @ theirs)
    return twin


def rotate_queries(model: InContextTransformer, generator: torch.Generator) -> InContextTransformer:
    """A copy whose queries are rotated at random in every layer, so that it runs another algorithm."""
    twin = copy.deepcopy(model)
    with torch.no_grad():
        weight = twin.blocks[0].attn.W_Q
        for block in list(twin.blocks)[:1] if model.config.tied else twin.blocks:
            block.attn.W_Q.copy_(_orthogonal(weight, generator) @ block.attn.W_Q)
    return twin


class Planted(nn.Module):
    """An explicit predictor as a model on paired tokens: its inputs pass through a noisy matrix first.

    >>> from mesa.learners import GradientDescent
    >>> tokens = torch.ones(2, 4, 3)
    >>> Planted(last_step(GradientDescent(0.5)), d_in=2)(tokens).shape
    torch.Size([2, 4, 3])
    """

    def __init__(
        self,
        predict: Callable[[RegressionPrompt], Tensor],
        d_in: int,
        noise: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        eye = torch.eye(d_in, dtype=torch.float64)
        if noise:
            eye = eye + noise / d_in**0.5 * torch.randn(d_in, d_in, generator=generator, dtype=torch.float64)
        self.embed = nn.Parameter(eye, requires_grad=False)
        self.predicts = predict

    def forward(self, tokens: Tensor) -> Tensor:
        """The tokens, the last of them, the query, with minus the prediction in the y entries."""
        d_in = len(self.embed)
        x, y = tokens[..., :d_in] @ self.embed.to(tokens), tokens[..., d_in:]
        prompt = RegressionPrompt(x[:, :-1], y[:, :-1], query=x[:, -1:], target=y[:, -1:])
        return torch.cat([tokens[..., :d_in], torch.cat([y[:, :-1], -self.predicts(prompt)], dim=1)], dim=-1)


def last_step(learner: RegressionPredictor) -> Callable[[RegressionPrompt], Tensor]:
    """A learner's prediction after its last step, as a function."""
    return lambda prompt: learner.predict(prompt)[-1]


def _orthogonal(like: Tensor, generator: torch.Generator) -> Tensor:
    """A random orthogonal matrix (head d d) or (d d) for the last axis of `like`."""
    shape = (*like.shape[:-2], like.shape[-1], like.shape[-1])
    return torch.linalg.qr(torch.randn(shape, generator=generator, dtype=like.dtype)).Q
