"""Validated, frozen configuration: a value is refused here or it is good everywhere."""

import math
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Kernel = Literal["linear", "softmax"]
Count = Annotated[int, Field(ge=1, le=2**31)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Strict(BaseModel):
    """A frozen configuration that knows no unknown keys and converts no types."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", use_attribute_docstrings=True)


class ModelConfig(Strict):
    """An in-context transformer; the defaults are one layer of linear self-attention ([VO] section 3).

    >>> ModelConfig(n_layers=2, tied=True).kernels
    ('linear', 'linear')
    """

    n_layers: Count = 1
    """layers K"""
    n_heads: Count = 1
    """heads per layer"""
    d_model: Count | None = None
    """width; null: the token's width, without an embedding"""
    d_head: Count | None = None
    """width of a head; null: d_model"""
    kernel: Kernel | list[Kernel] = "linear"
    """linear or softmax, or a list with one per layer"""
    attention: Literal["trained", "gradient_step"] = "trained"
    """gradient_step: each layer is frozen at one step of GD on a token's last entry, eta/N = 1/attn_scale"""
    tied: bool = False
    """all layers share their weights"""
    bias: bool = False
    """train the biases of attention (zero and frozen otherwise)"""
    causal: bool = False
    """a token attends to no later one"""
    normalization: Literal["LN", "RMS"] | None = None
    """norm before each block: LN, RMS or null"""
    final_norm: bool = False
    """also normalise what is read out"""
    d_mlp: Count | None = None
    """hidden width of the MLP in each layer; null: attention only"""
    act_fn: Literal["gelu_new", "gelu", "relu", "silu"] = "gelu_new"
    """activation of every MLP"""
    input_mlp: Count | None = None
    """hidden width of a residual MLP on tokens before layer 0"""
    clip: Positive | None = None
    """clamp tokens to +-clip after every layer"""
    attn_scale: Positive | None = None
    """divide scores by this; null: 1 linear, sqrt(d_head) softmax"""
    init_variance: Positive = 0.002
    """weights are truncated normal, variance this/(K fan_in)"""

    @model_validator(mode="after")
    def _consistent(self) -> "ModelConfig":
        if isinstance(self.kernel, list) and len(self.kernel) != self.n_layers:
            raise ValueError(f"kernel: {len(self.kernel)} entries, but n_layers is {self.n_layers}: one each is needed")
        if self.tied and len(set(self.kernels)) > 1:
            raise ValueError(f"kernel: tied layers share one kernel, got {self.kernels}")
        if self.final_norm and self.normalization is None:
            raise ValueError("final_norm: true needs a normalization, which is null")
        if self.attention == "gradient_step":
            self._steps()
        return self

    def _steps(self) -> None:
        """Refuse what a frozen gradient step cannot be: one head with a linear kernel, and something else to train."""
        if set(self.kernels) != {"linear"}:
            raise ValueError(f"attention: a gradient step has a linear kernel, got {self.kernels}")
        for name, plain in (("n_heads", 1), ("d_head", None), ("bias", False)):
            if getattr(self, name) != plain:
                rule = "must stay at its default: a gradient step has one head, as wide as the model, and no bias"
                raise ValueError(f"{name}: {getattr(self, name)!r} {rule}")
        if self.d_model is None and self.input_mlp is None and self.d_mlp is None:
            raise ValueError("attention: gradient_step leaves nothing to train without a d_model, input_mlp or d_mlp")

    @property
    def kernels(self) -> tuple[Kernel, ...]:
        """The kernel of each layer."""
        return tuple(self.kernel) if isinstance(self.kernel, list) else (self.kernel,) * self.n_layers

    def scale(self, kernel: Kernel, d_head: int) -> float:
        """What attention scores are divided by: no scale for linear kernels, sqrt(d_head) for softmax."""
        return self.attn_scale or (1.0 if kernel == "linear" else math.sqrt(d_head))


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
    model: ModelConfig = Field(default_factory=lambda: ModelConfig())
    training: TrainingConfig = Field(default_factory=lambda: TrainingConfig())
    seeds: Annotated[int, Field(ge=1, le=1000)] = 5
    """seeds 0 .. seeds-1, independent of one another"""

    @model_validator(mode="after")
    def _known(self) -> "RunConfig":
        from mesa.build import complete_task
        from tasks.registry import READERS, TASKS

        # Filling in the task's defaults here makes the saved configuration complete.
        object.__setattr__(self, "task", complete_task(self.task))
        prompts = TASKS[self.task["name"]].prompts
        if READERS[self.reader].prompts != prompts:
            fitting = " or ".join(name for name, row in READERS.items() if row.prompts == prompts)
            raise ValueError(f"reader: {self.reader!r} does not read {self.task['name']}: {fitting} does")
        if prompts == "tokens":
            self._language_model()
        elif self.model.attention == "gradient_step" and self.task["d_out"] != 1:
            rule = "a gradient step predicts one entry, the last"
            raise ValueError(f"model.attention: {rule}, and task.d_out is {self.task['d_out']}")
        return self

    def _language_model(self) -> None:
        """Refuse what a model of symbols cannot be: it needs a width, and sees nothing of what it predicts."""
        if self.model.d_model is None:
            raise ValueError("model.d_model: null is the width of float tokens; a model of symbols needs a number")
        if not self.model.causal:
            raise ValueError("model.causal: false would show a model of symbols what it is to predict")
        for name, plain in (("input_mlp", None), ("clip", None), ("attention", "trained")):
            if getattr(self.model, name) != plain:
                raise ValueError(f"model.{name}: {getattr(self.model, name)!r} is for float tokens, not for symbols")
