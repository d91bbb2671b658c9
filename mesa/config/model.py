"""The configuration of a model: what every transformer has, and what a model of each kind has besides."""

import math
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator
from typing_extensions import override

from tasks.kinds import Prompts

Kernel = Literal["linear", "softmax"]
Count = Annotated[int, Field(ge=1, le=2**31)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


StrictT = TypeVar("StrictT", bound="Strict")


class Strict(BaseModel):
    """A frozen configuration that knows no unknown keys and converts no types."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", use_attribute_docstrings=True)

    @override
    def model_copy(self: StrictT, *, update: Mapping[str, object] | None = None, deep: bool = False) -> StrictT:
        """The same configuration with some fields replaced; it is validated like a new one."""
        fields = {name: getattr(self, name) for name in type(self).model_fields}
        return type(self)(**{**fields, **(update or {})})


class TransformerConfig(Strict):
    """The layers of a transformer: the fields that models of both kinds have."""

    n_layers: Count = 1
    """layers K"""
    n_heads: Count = 1
    """heads per layer"""
    d_head: Count | None = None
    """width of a head; null: d_model"""
    kernel: Kernel | list[Kernel] = "linear"
    """linear or softmax, or a list with one per layer"""
    tied: bool = False
    """all layers share their weights"""
    bias: bool = False
    """train the biases of attention (zero and frozen otherwise)"""
    normalization: Literal["LN", "RMS"] | None = None
    """norm before each block: LN, RMS or null"""
    final_norm: bool = False
    """also normalise what is read out"""
    d_mlp: Count | None = None
    """hidden width of the MLP in each layer; null: attention only"""
    act_fn: Literal["gelu_new", "gelu", "relu", "silu"] = "gelu_new"
    """activation of every MLP"""
    attn_scale: Positive | None = None
    """divide scores by this; null: 1 linear, sqrt(d_head) softmax"""
    init_variance: Positive = 0.002
    """weights are truncated normal, variance this/(K fan_in)"""

    @model_validator(mode="after")
    def _consistent(self) -> "TransformerConfig":
        if isinstance(self.kernel, list) and len(self.kernel) != self.n_layers:
            raise ValueError(f"kernel: {len(self.kernel)} entries, but n_layers is {self.n_layers}: one each is needed")
        if self.tied and isinstance(self.kernel, list) and len(set(self.kernel)) > 1:
            raise ValueError(f"kernel: tied layers share one kernel, got {self.kernels}")
        if self.final_norm and self.normalization is None:
            raise ValueError("final_norm: true needs a normalization, which is null")
        return self

    @property
    def kernels(self) -> tuple[Kernel, ...]:
        """The kernel of each layer."""
        return tuple(self.kernel) if isinstance(self.kernel, list) else (self.kernel,) * self.n_layers

    def scale(self, kernel: Kernel, d_head: int) -> float:
        """What attention scores are divided by: no scale for linear kernels, sqrt(d_head) for softmax."""
        return self.attn_scale or (1.0 if kernel == "linear" else math.sqrt(d_head))


class InContextConfig(TransformerConfig):
    """A transformer on float tokens, for regression prompts; the defaults are one linear layer ([VO] section 3).

    >>> InContextConfig(n_layers=2, tied=True).kernels
    ('linear', 'linear')
    """

    prompts: ClassVar[Prompts] = "regression"

    kind: Literal["in_context"] = "in_context"
    """in_context (float tokens, regression) or language (token ids, next-token logits)"""
    d_model: Count | None = None
    """width; null: the token's width, without an embedding"""
    attention: Literal["trained", "gradient_step"] = "trained"
    """gradient_step: each layer is frozen at one step of GD on a token's last entry, eta/N = 1/attn_scale"""
    causal: bool = False
    """a token attends to no later one"""
    input_mlp: Count | None = None
    """hidden width of a residual MLP on tokens before layer 0"""
    clip: Positive | None = None
    """clamp tokens to +-clip after every layer"""

    @model_validator(mode="after")
    def _gradient_step(self) -> "InContextConfig":
        """Refuse what a frozen gradient step cannot be: it has one linear head, and something else must train."""
        if self.attention != "gradient_step":
            return self
        kernels = tuple(self.kernel) if isinstance(self.kernel, list) else (self.kernel,)
        if set(kernels) != {"linear"}:
            raise ValueError(f"attention: a gradient step has a linear kernel, got {kernels}")
        for name, default in (("n_heads", 1), ("d_head", None), ("bias", False)):
            if getattr(self, name) != default:
                rule = "must stay at its default: a gradient step has one head, as wide as the model, and no bias"
                raise ValueError(f"{name}: {getattr(self, name)!r} {rule}")
        if self.d_model is None and self.input_mlp is None and self.d_mlp is None:
            raise ValueError("attention: gradient_step leaves nothing to train without a d_model, input_mlp or d_mlp")
        return self


class LanguageConfig(TransformerConfig):
    """A causal transformer on token ids with learned positions, for prompts of tokens.

    >>> LanguageConfig(n_layers=2, d_model=16, kernel="softmax").kind
    'language'
    """

    prompts: ClassVar[Prompts] = "tokens"

    kind: Literal["language"] = "language"
    """in_context (float tokens, regression) or language (token ids, next-token logits)"""
    d_model: Count
    """width of the residual stream"""
    frozen_layers: Annotated[int, Field(ge=0, le=2**31)] = 0
    """the first layers, this many, keep their initial weights, and so do the positions that they read"""

    @model_validator(mode="after")
    def _frozen(self) -> "LanguageConfig":
        if self.frozen_layers > self.n_layers:
            raise ValueError(f"frozen_layers: {self.frozen_layers} must be at most n_layers, {self.n_layers}")
        if self.frozen_layers and self.tied:
            raise ValueError(f"frozen_layers: {self.frozen_layers} must be 0 where layers are tied: all share weights")
        return self


ModelConfig: TypeAlias = InContextConfig | LanguageConfig
