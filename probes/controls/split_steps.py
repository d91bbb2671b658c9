"""One gradient step split between several linear heads: at random, unevenly, or between heads of opposite signs."""

from collections.abc import Sequence
from dataclasses import replace

import torch

from mesa.construction.gradient_step import gradient_step_model
from mesa.construction.products import from_products, weight_products
from mesa.learners import GradientDescent
from mesa.rng import generator
from probes.controls.constructed import tuning_prompts
from probes.subject import RegressionSubject
from probes.weights.normalised_products import why_not_attention_only

# The share of the first head in `uneven_split`, and of both heads in `opposed_split`.
UNEVEN, OPPOSED = 0.95, (2.0, -1.0)


def random_split(subject: RegressionSubject) -> RegressionSubject | str:
    """One tuned gradient step, of which each head does a share; shares are drawn uniformly from those that sum to 1."""
    heads = _heads(subject)
    if isinstance(heads, str):
        return heads
    cuts = torch.rand(heads - 1, generator=generator(subject.seed, "control/random_split")).sort().values
    bounds = torch.cat([torch.zeros(1), cuts, torch.ones(1)])
    return _split(subject, bounds.diff().tolist(), "random_split")


def uneven_split(subject: RegressionSubject) -> RegressionSubject | str:
    """One tuned gradient step, of which the first head does 95 % and the second one 5 %."""
    return _split(subject, (UNEVEN, 1 - UNEVEN), "uneven_split")


def opposed_split(subject: RegressionSubject) -> RegressionSubject | str:
    """One tuned gradient step as the difference of two heads: the first takes two steps, the second takes one back."""
    return _split(subject, OPPOSED, "opposed_split")


def _split(subject: RegressionSubject, shares: Sequence[float], name: str) -> RegressionSubject | str:
    heads = _heads(subject)
    if isinstance(heads, str):
        return heads
    tuning = tuning_prompts(subject)
    shape = {"d_in": tuning.x.shape[-1], "d_out": tuning.y.shape[-1], "dtype": tuning.x.dtype}
    model = gradient_step_model(GradientDescent().fit(tuning).step_sizes[0], n_heads=heads, **shape)
    A, V = weight_products(model)
    A, step = A[:, :1].expand_as(A), V[:, :1].clone()
    V = torch.zeros_like(V)
    V[:, : len(shares)] = step * V.new_tensor(shares)[:, None, None]
    model = from_products(model, A, V).to(tuning.x.device, print_details=False)
    return replace(subject, model=model, control=name)


def _heads(subject: RegressionSubject) -> int | str:
    """How many heads share the step, or why none can."""
    reason = why_not_attention_only(subject)
    if reason is not None:
        return reason
    config = subject.with_weights().config
    if config.n_layers > 1 or set(config.kernels) != {"linear"} or config.n_heads < 2:
        return "for one layer of several heads of linear attention"
    return config.n_heads
