"""Near misses with steps of a wrong size, or of a wrong number: constructions, and the trained layer itself."""

import copy
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from mesa.construction.products import from_products, weight_products
from mesa.models.in_context import InContextTransformer
from probes.controls.constructed import tuning_prompts
from probes.subject import RegressionSubject
from probes.weights.normalised_products import construction, why_not_single_linear_head

# By how much a near miss differs from the construction: twice the relative distance of 0.1 that rules allow.
DEVIATION = 0.2


def constructed_larger_step(subject: RegressionSubject) -> RegressionSubject | str:
    """The construction with step sizes that are 1.2 times the tuned ones; gamma stays as tuned (negative)."""
    reason = why_not_single_linear_head(subject)
    if reason is not None:
        return reason
    tuning = tuning_prompts(subject)
    model, d_in = construction(subject, tuning), tuning.x.shape[-1]
    A, V = weight_products(model)
    V[..., d_in:] *= 1 + DEVIATION
    return replace(subject, model=from_products(model, A, V), control="constructed_larger_step")


def constructed_uneven_step(subject: RegressionSubject) -> RegressionSubject | str:
    """The construction with step sizes per input coordinate that spread by 20 % around the tuned ones (negative).

    For one step f = c x_q P S w with P = I + D, D diagonal of mean 0 and mean square 0.04. Where coordinates are
    exchangeable, E |f - g|^2 / E |g|^2 = 0.04 and the mean cosine of the sensitivities is about 1 / sqrt(1.04).
    """
    reason = why_not_single_linear_head(subject)
    if reason is not None:
        return reason
    tuning = tuning_prompts(subject)
    d_in = tuning.x.shape[-1]
    if d_in < 2:
        return "one input coordinate has one step size"
    model = construction(subject, tuning)
    A, V = weight_products(model)
    A[..., :d_in, :d_in] *= 1 + _spread(d_in).to(A)
    return replace(subject, model=from_products(model, A, V), control="constructed_uneven_step")


def larger_update(subject: RegressionSubject) -> RegressionSubject | str:
    """The trained model with an attention layer that writes 1.2 times as much: a step of another size (negative)."""
    model = subject.transformer
    if model is None:
        return "a predictor has no attention layer to change"
    if model.cfg.n_layers > 1:
        return "for one layer: later layers would read what was changed"
    twin = copy.deepcopy(model)
    with torch.no_grad():
        twin.blocks[0].attn.W_O.mul_(1 + DEVIATION)
    return replace(subject, model=twin, control="larger_update")


def applied_twice(subject: RegressionSubject) -> RegressionSubject | str:
    """The trained model with its only layer applied twice, behind one embedding: one step too many (negative)."""
    model = subject.transformer
    if model is None:
        return "a predictor has no layer to repeat"
    if model.cfg.n_layers > 1:
        return "for one layer: of several it is not clear which to repeat"
    config = model.config.model_copy(update={"n_layers": 2, "tied": True, "kernel": model.config.kernels[0]})
    twin = InContextTransformer(config, model.cfg.d_vocab, dtype=model.cfg.dtype, device=subject.device)
    own = twin.state_dict()
    # Both layers have the weights of the first; the embedding comes before them.
    weights = {name: model.state_dict()[name.replace("blocks.1.", "blocks.0.")] for name in own}
    twin.load_state_dict(weights)
    return replace(subject, model=twin, control="applied_twice")


def _spread(d_in: int) -> Float[Tensor, " d_in"]:
    """Equally spaced deviations of mean 0 whose mean square is `DEVIATION` squared."""
    steps = torch.linspace(-1, 1, d_in, dtype=torch.float64)
    return DEVIATION * steps / steps.square().mean().sqrt()
