"""The parts of an InContextTransformer that TransformerLens has only for token ids."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformer_lens.hook_points import HookPoint
from transformer_lens.utilities.activation_functions import SUPPORTED_ACTIVATIONS, ActivationFunction

from mesa.config.model import InContextConfig


class TokenEmbed(nn.Module):
    """Float tokens (batch pos d_token) to the residual stream (batch pos d_model).

    A linear map without bias where d_model is configured, the identity where it is not; then, where it is
    configured, a residual MLP with a bias in its hidden layer ([VO] section 4, non-linear regression).
    """

    def __init__(self, d_token: int, d_model: int, config: InContextConfig, dtype: torch.dtype) -> None:
        super().__init__()
        self.hook_linear = HookPoint()
        self.identity = config.d_model is None
        if self.identity:
            self.register_buffer("W_E", torch.eye(d_model, dtype=dtype), persistent=False)
        else:
            self.W_E = nn.Parameter(torch.empty(d_token, d_model, dtype=dtype))
        self.mlp = None if config.input_mlp is None else InputMLP(d_model, config.input_mlp, config.act_fn, dtype)

    def forward(self, tokens: Float[Tensor, "batch pos d_token"]) -> Float[Tensor, "batch pos d_model"]:
        """Embed the tokens."""
        resid = self.hook_linear(tokens if self.identity else tokens @ self.W_E)
        return resid if self.mlp is None else resid + self.mlp(resid)


class InputMLP(nn.Module):
    """What the residual MLP adds to each token before the first block."""

    def __init__(self, d_model: int, d_hidden: int, act_fn: str, dtype: torch.dtype) -> None:
        super().__init__()
        self.W_in = nn.Parameter(torch.empty(d_model, d_hidden, dtype=dtype))
        self.b_in = nn.Parameter(torch.zeros(d_hidden, dtype=dtype))
        self.W_out = nn.Parameter(torch.empty(d_hidden, d_model, dtype=dtype))
        self.activation: ActivationFunction = SUPPORTED_ACTIVATIONS[act_fn]
        self.hook_pre = HookPoint()
        self.hook_post = HookPoint()
        self.hook_out = HookPoint()

    def forward(self, resid: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_model"]:
        """W_out act(W_in resid + b_in)."""
        return self.hook_out(self.hook_post(self.activation(self.hook_pre(resid @ self.W_in + self.b_in))) @ self.W_out)


class IdentityUnembed(nn.Module):
    """The residual stream is the output; the reader knows which of its channels hold the prediction."""

    def __init__(self, d_model: int, dtype: torch.dtype) -> None:
        super().__init__()
        self.register_buffer("W_U", torch.eye(d_model, dtype=dtype), persistent=False)
        self.register_buffer("b_U", torch.zeros(d_model, dtype=dtype), persistent=False)
        self.hook_in = HookPoint()
        self.hook_out = HookPoint()

    def forward(self, resid: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_model"]:
        """Return the residual stream as it is, through the hook points."""
        return self.hook_out(self.hook_in(resid))


class ClippedResidual(HookPoint):
    """A `hook_resid_post` that clamps tokens before other hooks run; its `hook_clip` holds what clamping added."""

    def __init__(self, bound: float) -> None:
        super().__init__()
        self.bound = bound
        self.hook_clip = HookPoint()

    def forward(self, x: Tensor) -> Tensor:
        """Clamp every entry to +-bound."""
        clamped = x.clamp(-self.bound, self.bound)
        removed = clamped - x
        hooked = self.hook_clip(removed)
        # x + removed would round, and turn an infinite x into NaN; it is needed only where a hook changed the sum.
        return super().forward(clamped if hooked is removed else x + hooked)
