"""Losses and predictions, computed without the parts of the forward pass that cannot change them.

Attention depends on its weights only through A_h = W_Q W_K^T / scale and V_h = W_V W_O, so both are multiplied out
once per step, for all prompts. Only queries are read, so the last layer is computed for their rows and for the read
channels alone. Losses and gradients are those of the HookedTransformer up to rounding; a model for which this does not
hold has no fast path.

A fast path computes by tensor operations. Where it can, training computes the loss by a compiled kernel instead, which
has no predictions, and draws the same prompts faster.
"""

from mesa.fast.choice import Choice, choose
from mesa.fast.dispatch import FastPath, path
from mesa.fast.sampling import sampler

__all__ = ["Choice", "FastPath", "choose", "path", "sampler"]
