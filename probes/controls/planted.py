"""Planted models: weights or functions that run a known algorithm, with noise, to test what probes make of them."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from mesa.models.in_context import InContextTransformer
from tasks.predictor import RegressionPredictor
from tasks.prompt import RegressionPrompt


def noisy(model: InContextTransformer, noise: float, generator: torch.Generator) -> InContextTransformer:
    """A copy in which every weight w becomes w (1 + `noise` n), n ~ N(0, 1), and every head gets a random basis.

    Noise is added before the change of basis, so that it is relative to the algorithm's own weights, and zeros stay
    zero. Noise of 1 % of a matrix's norm on every entry would already break two tuned steps of GD++: A's entry between
    labels feeds back their squares, and E (f - g)^2 is twice Var f. Tied layers stay tied.
    """
    twin = copy.deepcopy(model)
    changed: set[int] = set()
    with torch.no_grad():
        for block in twin.blocks:
            attn = block.attn
            if id(attn.W_Q) in changed:
                continue
            changed.add(id(attn.W_Q))
            for name in ("W_Q", "W_K", "W_V", "W_O"):
                weight = getattr(attn, name)
                weight.mul_(1.0 + noise * torch.randn(weight.shape, generator=generator, dtype=weight.dtype))
            for left, right in (("W_Q", "W_K"), ("W_V", "W_O")):
                basis = _orthogonal(attn.W_Q, generator)
                first, second = getattr(attn, left), getattr(attn, right)
                first.copy_(first @ basis)
                second.copy_(second @ basis if right == "W_K" else basis.mT @ second)
    return twin


def rotate_queries(model: InContextTransformer, generator: torch.Generator) -> InContextTransformer:
    """A copy whose queries are rotated at random in every layer, so that it runs another algorithm."""
    twin = copy.deepcopy(model)
    with torch.no_grad():
        weight = twin.blocks[0].attn.W_Q
        for block in list(twin.blocks)[:1] if model.config.tied else twin.blocks:
            block.attn.W_Q.copy_(_orthogonal(weight, generator) @ block.attn.W_Q)
    return twin


@dataclass(frozen=True, eq=False)
class Planted:
    """A predictor given as a function of prompts; a noisy `embedding` of the inputs may come first.

    >>> from mesa.learners import GradientDescent
    >>> from tasks import LinearRegression
    >>> prompt = LinearRegression(d_in=2).sample(3, torch.Generator().manual_seed(0))
    >>> Planted(last_step(GradientDescent(0.5))).predict(prompt).shape
    torch.Size([1, 3, 1, 1])
    """

    function: Callable[[RegressionPrompt], Float[Tensor, "batch query d_out"]]
    embedding: Float[Tensor, "d_in d_in"] | None = None
    name: str = "planted"

    def predict(self, prompt: RegressionPrompt) -> Float[Tensor, "learner_step batch query d_out"]:
        """What the function gives for the embedded inputs and queries, as one step."""
        if self.embedding is not None:
            E = self.embedding.to(prompt.x)
            prompt = replace(prompt, x=prompt.x @ E, query=prompt.query @ E)
        return self.function(prompt)[None]

    def weights(self, prompt: RegressionPrompt) -> None:
        """None: the function need not be linear in the query."""
        return


def noisy_embedding(d_in: int, noise: float, generator: torch.Generator) -> Float[Tensor, "d_in d_in"]:
    """The identity plus a Gaussian matrix that moves an input by about `noise` of its length."""
    eye = torch.eye(d_in, dtype=torch.float64)
    if not noise:
        return eye
    return eye + noise / d_in**0.5 * torch.randn(d_in, d_in, generator=generator, dtype=torch.float64)


def last_step(learner: RegressionPredictor) -> Callable[[RegressionPrompt], Tensor]:
    """A learner's prediction after its last step, as a function."""
    return lambda prompt: learner.predict(prompt)[-1]


def _orthogonal(like: Tensor, generator: torch.Generator) -> Tensor:
    """A random orthogonal matrix (head d d) or (d d) for the last axis of `like`."""
    shape = (*like.shape[:-2], like.shape[-1], like.shape[-1])
    return torch.linalg.qr(torch.randn(shape, generator=generator, dtype=like.dtype)).Q
