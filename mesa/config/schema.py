"""Configurations that are validated and frozen: a wrong value is refused when the configuration is made."""

import math
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from typing_extensions import override

from tasks.registry import READERS, TASKS, Prompts

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


ModelConfig: TypeAlias = InContextConfig | LanguageConfig


class TrainingConfig(Strict):
    """How a model is trained; the defaults are those of the public notebooks for one layer ([VO])."""

    steps: Count = 5000
    """training steps; the one value that may grow when a run is resumed"""
    batch: Count = 2048
    """fresh prompts per step"""
    learning_rate: Positive = 1e-3
    """of Adam"""
    halve_every: Count | None = None
    """steps after which the learning rate is halved, again and again; null: never"""
    beta1: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """of Adam"""
    beta2: Annotated[float, Field(ge=0, lt=1)] = 0.98
    """of Adam"""
    epsilon: Positive = 1e-8
    """of Adam"""
    gradient_clip: Positive | None = 0.001
    """global norm, null: none; 0.001 for K <= 2, 10 beyond"""
    evaluate_every: Count = 50
    """steps between evaluations"""
    held_out: Count = 4096
    """prompts of the held-out batch"""
    checkpoints_per_decade: Count = 8
    """density of the log-spaced checkpoints from step 10 on"""
    rolling_seconds: Positive = 30.0
    """seconds between the checkpoints kept only for resuming"""
    dtype: Literal["float32", "float64"] = "float32"
    """of weights and prompts"""
    device: Annotated[str, Field(pattern=r"^(cpu|cuda(:\d+)?)$")] = "cpu"
    """cpu, cuda or cuda:N"""
    fast: bool = True
    """use the fast path where it is exact; false: the model's own forward pass"""


class RunConfig(Strict):
    """One run: a task, a reader, a model, its training, and how many seeds of it.

    >>> RunConfig().training.steps
    5000
    """

    task: dict[str, Any] = Field(default_factory=lambda: {"name": "linear_regression"}, description="see `mesa list`")
    reader: str = "paired"
    """token layout, see `mesa list`"""
    model: Annotated[ModelConfig, Field(discriminator="kind")] = Field(default_factory=lambda: InContextConfig())
    training: TrainingConfig = Field(default_factory=lambda: TrainingConfig())
    seeds: Annotated[int, Field(ge=1, le=1000)] = 5
    """seeds 0 .. seeds-1, independent of one another"""

    @field_validator("model", mode="before")
    @classmethod
    def _with_kind(cls, model: object) -> object:
        return {"kind": "in_context", **model} if isinstance(model, dict) else model

    @model_validator(mode="after")
    def _agrees(self) -> "RunConfig":
        """Refuse a reader or a model of other prompts than the task's; fill in the task's defaults."""
        from mesa.build import complete_task

        # Filling in the task's defaults here makes the saved configuration complete.
        object.__setattr__(self, "task", complete_task(self.task))
        name = self.task["name"]
        prompts = TASKS[name].prompts
        if READERS[self.reader].prompts != prompts:
            fitting = " or ".join(reader for reader, row in READERS.items() if row.prompts == prompts)
            raise ValueError(f"reader: {self.reader!r} does not read {name}: {fitting} does")
        if self.model.prompts != prompts:
            kind = LanguageConfig if prompts == "tokens" else InContextConfig
            rule = f"{name} draws prompts of {prompts}, which a model of kind {kind.model_fields['kind'].default} takes"
            raise ValueError(f"model.kind: {self.model.kind!r} does not fit the task: {rule}")
        if self.model.kind == "in_context" and self.model.attention == "gradient_step" and self.task["d_out"] != 1:
            rule = "a gradient step predicts one entry, the last"
            raise ValueError(f"model.attention: {rule}, and task.d_out is {self.task['d_out']}")
        return self
