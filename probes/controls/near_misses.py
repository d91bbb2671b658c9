"""Near misses: models close to one that performs gradient descent or GD++, which a sharp rule must tell from it."""

import math
from dataclasses import replace

import torch
from torch import Tensor

from mesa.construction.products import from_products, weight_products
from mesa.rng import generator
from probes.controls.constructed import constructed
from probes.subject import RegressionSubject
from probes.weights.normalised_products import why_not_attention_only
from tasks.prompt import RegressionPrompt

# By how much `turned_queries` turns. The model's sensitivity is turned with the query, so the cosine of gradient
# descent's sensitivity and its turned copy is cos 60 degrees, 0.5.
ANGLE = math.pi / 3
# The factor of `constructed_small_gamma`: a rule that allows 10 % allows a quarter of the change.
SMALL = 0.6
# The relative spread s of `constructed_uneven_gamma`'s corrections. The change of x is gamma diag(1 +- s) S x_j, so the
# R^2 of its regression on S x_j is about 1 / (1 + s^2), 0.6. A rule that asks for 0.9 allows a quarter of the change.
SPREAD = math.sqrt(2 / 3)


def turned_queries(subject: RegressionSubject) -> RegressionSubject | str:
    """The model sees every query turned by 60 degrees, a learner sees it as it is (negative).

    A model that performs a gradient step thus becomes one with a wrong preconditioner.
    """
    if _d_in(subject) < 2:
        return "a query of one entry cannot be turned"
    return replace(subject, view=replace(subject.view, prompt=turned), control="turned_queries")


def turned(prompt: RegressionPrompt) -> RegressionPrompt:
    """The prompt with each query turned by `ANGLE` in the planes (0, 1), (2, 3), ...; an odd last entry stays.

    >>> x = torch.zeros(1, 1, 3)
    >>> prompt = RegressionPrompt(x, x[..., :1], torch.tensor([[[1.0, 0.0, 2.0]]]), x[..., :1])
    >>> [round(entry, 3) for entry in turned(prompt).query.flatten().tolist()]
    [0.5, 0.866, 2.0]
    """
    even = 2 * (prompt.query.shape[-1] // 2)
    first, second = prompt.query[..., 0:even:2], prompt.query[..., 1:even:2]
    cosine, sine = math.cos(ANGLE), math.sin(ANGLE)
    planes = torch.stack([cosine * first - sine * second, sine * first + cosine * second], dim=-1)
    return replace(prompt, query=torch.cat([planes.flatten(-2), prompt.query[..., even:]], dim=-1))


def mismatched_heads(subject: RegressionSubject) -> RegressionSubject | str:
    """The model's own heads, with the input coordinates of head h shifted by h places (negative).

    Each head's weights keep their norms on and off the diagonal, but heads no longer cancel each other's entries.
    """
    reason = why_not_attention_only(subject)
    if reason is not None:
        return reason
    model, d_in = subject.with_weights(), _d_in(subject)
    if model.cfg.n_heads < 2 or d_in < 2:
        return "for several heads, and inputs of several entries"
    if model.cfg.d_head != model.cfg.d_model:
        return "for heads as wide as the model, which can hold any product of weights"
    A, V = (_shifted(product, d_in) for product in weight_products(model))
    return replace(subject, model=from_products(model, A, V), control="mismatched_heads")


def _shifted(products: Tensor, d_in: int) -> Tensor:
    """Products (layer head d_model d_model) with the x rows and columns of head h shifted by h places."""
    shifted = products.clone()
    for head in range(products.shape[1]):
        order = torch.arange(products.shape[-1], device=products.device)
        order[:d_in] = order[:d_in].roll(head)
        shifted[:, head] = products[:, head, order][:, :, order]
    return shifted


def constructed_small_gamma(subject: RegressionSubject) -> RegressionSubject | str:
    """Weights that perform tuned GD++ with 0.6 of its curvature correction (negative)."""
    return _with_gammas(subject, "constructed_small_gamma", SMALL, SMALL)


def constructed_uneven_gamma(subject: RegressionSubject) -> RegressionSubject | str:
    """Weights of tuned GD++ with a larger correction of even coordinates and a smaller one of odd ones (negative)."""
    return _with_gammas(subject, "constructed_uneven_gamma", 1 + SPREAD, 1 - SPREAD)


def _with_gammas(subject: RegressionSubject, name: str, even: float, odd: float) -> RegressionSubject | str:
    """The constructed GD++ with its gamma multiplied by one factor at even coordinates and by another at odd ones."""
    control = constructed(subject)
    if isinstance(control, str):
        return control
    if subject.n_layers < 2:
        return "the curvature correction of a single layer changes no prediction"
    model, d_in = control.with_weights(), _d_in(subject)
    A, V = weight_products(model)
    factors = torch.tensor([even, odd], dtype=V.dtype, device=V.device).repeat(d_in)[:d_in]
    V[..., :d_in, :d_in] *= factors
    return replace(control, model=from_products(model, A, V), control=name)


def _d_in(subject: RegressionSubject) -> int:
    return subject.prompts(1, generator(subject.seed, "control/near_miss")).x.shape[-1]
