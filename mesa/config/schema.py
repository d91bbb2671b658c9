"""Configurations of runs, validated and frozen: a wrong value is refused when the configuration is made."""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from mesa.config.model import Count, InContextConfig, LanguageConfig, ModelConfig, Positive, Strict
from tasks.registry import READERS, TASKS


class TrainingConfig(Strict):
    """How a model is trained; the defaults are those of the public notebooks for one layer ([VO])."""

    until: Literal["steps", "settled"] = "steps"
    """steps: train so many; settled: until the held-out loss no longer falls, then let the rate fall to zero"""
    steps: Count = 5000
    """training steps, which may grow when a run is resumed; the largest number of them where until is settled"""
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
    dense_checkpoints: Annotated[list[Count], Field(min_length=3, max_length=3)] | None = None
    """first step, last step and distance of further checkpoints, such as [500, 6000, 25]; null: none"""
    rolling_seconds: Positive = 30.0
    """seconds between the checkpoints kept only for resuming"""
    dtype: Literal["float32", "float64"] = "float32"
    """of weights and prompts"""
    device: Annotated[str, Field(pattern=r"^(cpu|cuda(:\d+)?)$")] = "cpu"
    """cpu, cuda or cuda:N"""
    fast: Literal["auto", "kernel", "tensor", "plain"] = "auto"
    """how the loss is computed: by compiled code, by fewer tensor operations, by the model itself; auto: the fastest"""

    @model_validator(mode="after")
    def _dense_in_order(self) -> "TrainingConfig":
        if self.dense_checkpoints is not None and self.dense_checkpoints[0] > self.dense_checkpoints[1]:
            raise ValueError(f"dense_checkpoints: {self.dense_checkpoints} must have its first step before its last")
        return self

    @model_validator(mode="after")
    def _one_schedule(self) -> "TrainingConfig":
        if self.until == "settled" and self.halve_every is not None:
            rule = "must be null where until is settled, which has a schedule of its own"
            raise ValueError(f"halve_every: {self.halve_every} {rule}")
        return self


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
    """how many seeds, independent of one another"""
    first_seed: Annotated[int, Field(ge=0, le=10**9)] = 0
    """the smallest seed; the others follow it"""

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
