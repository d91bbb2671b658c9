"""The training loss, computed without the parts of the forward pass that cannot change it.

Attention depends on its weights only through A_h = W_Q W_K^T / scale and V_h = W_V W_O, so both are multiplied out
once per step, for all prompts. Only queries are read, so the last layer is computed for their rows and for the read
channels alone. Losses and gradients are those of the HookedTransformer; a model for which
this does not hold has no fast path.
"""

from mesa.fast.choice import Choice, choose
from mesa.fast.dispatch import FastPath, path
from mesa.fast.sampling import sampler

__all__ = ["Choice", "FastPath", "choose", "path", "sampler"]
