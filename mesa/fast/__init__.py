"""The training loss without the parts of the forward pass that it cannot see; exact, or there is no path.

Attention depends on its weights only through A_h = W_Q W_K^T / scale and V_h = W_V W_O, so both are multiplied out
once per step, for all prompts. Only queries are read, so the last layer is computed for their rows and for the read
channels alone. Losses and gradients are those of the HookedTransformer.
"""

from mesa.fast.dispatch import FastPath, path

__all__ = ["FastPath", "path"]
