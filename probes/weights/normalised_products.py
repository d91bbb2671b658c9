"""What probes of weights share: which models they can read, and weight products brought to one scale."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mesa.construction.gradient_step import gradient_step_model, gradient_step_products
from mesa.construction.products import Products
from mesa.learners import GradientDescent
from mesa.models.in_context import InContextTransformer
from probes.behaviour.agreement import SEARCHED
from probes.subject import RegressionSubject
from tasks.prompt import RegressionPrompt
from tasks.readers.paired import PairedReader

# Below this cosine between A's x block and the identity, beta is a quotient of noise. An untrained A has a cosine of
# about 1/sqrt(d (d+1)), 0.1 for d = 10; the construction has 1.
LEAST_COSINE = 0.5


@dataclass(frozen=True, eq=False)
class NormalisedProducts:
    """The products of every layer's one head at the construction's scale: A / beta and V * beta."""

    A: Float[Tensor, "layer d_model d_model"]
    V: Float[Tensor, "layer d_model d_model"]
    beta: Float[Tensor, " layer"]
    cosine: Float[Tensor, " layer"]

    @property
    def defined(self) -> bool:
        """Whether every beta is far enough from zero to divide by."""
        return bool((self.cosine.abs() >= LEAST_COSINE).all())


def why_not_single_linear_head(subject: RegressionSubject) -> str | None:
    """None for one-head linear self-attention on paired tokens, or why the weights cannot be compared."""
    model = subject.transformer
    if model is not None:
        if set(model.config.kernels) != {"linear"}:
            return "the construction is for linear attention, and a layer has a softmax kernel"
        if model.config.n_heads > 1:
            return f"the products of {model.config.n_heads} heads have no one scale"
    return why_not_attention_only(subject)


def why_not_attention_only(subject: RegressionSubject) -> str | None:
    """None for attention layers alone, of any kernel and number of heads, on paired tokens; else why not."""
    model = subject.transformer
    if model is None:
        return "its weights are not those of an InContextTransformer"
    config = model.config
    if config.normalization or config.d_mlp or config.input_mlp or config.d_model:
        return "the construction has no norm, no MLP and no embedding"
    reader = subject.reader
    if not isinstance(reader, PairedReader):
        return "the construction reads paired tokens"
    return None if reader.start is None else "the construction compared with starts from zero, the reader does not"


def scaled(A: Products, V: Products, d_in: int) -> NormalisedProducts:
    """One head's products rescaled by beta, the mean of the first d_in diagonal entries of A ([VO] appendix A.4)."""
    A, V = A[:, 0], V[:, 0]
    diagonal = A.diagonal(dim1=-2, dim2=-1)[:, :d_in]
    beta = diagonal.mean(dim=-1)
    cosine = diagonal.sum(dim=-1) / (math.sqrt(d_in) * A[:, :d_in].flatten(1).norm(dim=-1))
    return NormalisedProducts(A / beta[:, None, None], V * beta[:, None, None], beta, cosine)


def identified(layers: int, d_in: int, d_out: int) -> tuple[Bool[Tensor, "layer d d"], Bool[Tensor, "layer d d"]]:
    """Which entries of A and V can change the loss.

    Nothing reads the x entries that the last layer writes, so the x columns of its V are unidentified. A single layer
    is read at queries alone, whose y entries are zero, so the y rows of its A are unidentified too.
    """
    width = d_in + d_out
    A = torch.ones(layers, width, width, dtype=torch.bool)
    V = torch.ones(layers, width, width, dtype=torch.bool)
    V[-1, :, :d_in] = False
    if layers == 1:
        A[0, d_in:] = False
    return A, V


def construction_learner(
    subject: RegressionSubject, tuning: RegressionPrompt, learner: GradientDescent | None = None
) -> GradientDescent:
    """The learner that the weights are compared with, fitted to other prompts, with a step per layer.

    By default it is what the paper compares with: gradient descent for one layer, GD++ for more, its settings shared by
    tied layers and one pair a layer for untied ones.
    """
    steps = subject.with_weights().cfg.n_layers
    unfitted = learner or (GradientDescent() if steps == 1 else plus_plus(subject, steps))
    # A search of several steps is given fewer prompts, as every learner's is.
    return unfitted.fit(tuning.batch(0, SEARCHED) if steps > 1 else tuning)


def plus_plus(subject: RegressionSubject, steps: int) -> GradientDescent:
    """GD++ as a model's layers can perform it: clipped as its tokens are, with shared numbers where it is tied."""
    model = subject.transformer
    clip, tied = (None, True) if model is None else (model.config.clip, model.config.tied)
    return GradientDescent(gamma=0.0, steps=steps, shared=tied, clip=clip)


def construction_products(
    subject: RegressionSubject, tuning: RegressionPrompt
) -> tuple[GradientDescent, tuple[Products, Products]]:
    """A fitted learner with a step per layer, and the products A and V that perform it, in the subject's dtype."""
    model, learner = subject.with_weights(), construction_learner(subject, tuning)
    A, V = gradient_step_products(
        learner.step_sizes,
        d_in=tuning.x.shape[-1],
        d_out=tuning.y.shape[-1],
        steps=learner.steps,
        gamma=learner.gammas,
        tied=model.config.tied,
        dtype=model.cfg.dtype,
    )
    return learner, (A.to(model.W_Q.device), V.to(model.W_Q.device))


def construction(
    subject: RegressionSubject, tuning: RegressionPrompt, learner: GradientDescent | None = None
) -> InContextTransformer:
    """The model that performs the fitted learner, in the subject's dtype and on its device."""
    model, fitted = subject.with_weights(), construction_learner(subject, tuning, learner)
    twin = gradient_step_model(
        fitted.step_sizes,
        d_in=tuning.x.shape[-1],
        d_out=tuning.y.shape[-1],
        steps=fitted.steps,
        gamma=fitted.gammas,
        tied=model.config.tied,
        clip=model.config.clip,
        dtype=model.cfg.dtype,
    )
    return twin.to(model.cfg.device or "cpu", print_details=False)
