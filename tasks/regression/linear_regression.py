"""Noisy or noiseless linear regression in context ([VO] section 3; von Oswald et al. 2023, arXiv 2212.07677)."""

import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from tasks.limits import LARGEST, check_count
from tasks.predictor import RegressionPredictor
from tasks.prompt import RegressionPrompt
from tasks.regression.posterior import GaussianPosterior, SetPosterior
from tasks.regression.prompt_set import drawn_from, joined, set_teachers

Law = Literal["uniform", "normal"]
# A fixed set of teachers is drawn in blocks of this size, because draws of different sizes start differently.
_BLOCK = 64


@dataclass(frozen=True)
class LinearRegression:
    """Each prompt has its own teacher w ~ teacher_scale * N(0, I); labels are w.x plus noise, targets have none.

    Inputs are `input_scale * scales[k] * u` in coordinate k, with u ~ U(-1, 1) or N(0, 1). The teacher's entry k is
    divided by `scales[k]`, so all coordinates contribute equally to the label. The default is the paper's: d = N = 10
    and x ~ U(-0.5, 0.5), where predicting zero costs d_in * input_scale**2 / 6 = 0.4167.

    With `teachers` K every prompt takes one of the K teachers of a fixed set instead, all equally likely. The set is a
    function of `teachers_seed`, and a smaller set is the beginning of a larger one. A single teacher can be learnt
    without looking at the context.

    With `prompts` K whole prompts are fixed: K inputs, teachers and first queries, a function of `teachers_seed`; a
    smaller set is the beginning of a larger one. A batch holds every prompt of the set once before it holds one twice,
    in random order, so a batch of K is the set. Further queries are drawn afresh.

    Lengths and scales are pure numbers. Raises ValueError, naming the field, for a value outside its range, and where
    both sets are asked for.

    >>> generator = torch.Generator().manual_seed(0)
    >>> prompt = LinearRegression(d_in=3, context=5).sample(2, generator)
    >>> prompt.x.shape, prompt.y.shape, prompt.query.shape
    (torch.Size([2, 5, 3]), torch.Size([2, 5, 1]), torch.Size([2, 1, 3]))
    """

    d_in: int = field(default=10, metadata={"about": "entries of an input x"})
    d_out: int = field(default=1, metadata={"about": "entries of a label y"})
    context: int = field(default=10, metadata={"about": "examples per prompt, N"})
    law: Law = field(default="uniform", metadata={"about": "uniform or normal inputs"})
    input_scale: float = field(default=0.5, metadata={"about": "half width, or standard deviation, of the inputs"})
    scales: tuple[float, ...] | None = field(default=None, metadata={"about": "one factor per coordinate, or null"})
    teacher_scale: float = field(default=1.0, metadata={"about": "standard deviation of the teacher's entries"})
    label_noise: float = field(default=0.0, metadata={"about": "standard deviation of the noise on context labels"})
    teachers: int | None = field(default=None, metadata={"about": "teachers in a fixed set; null: fresh per prompt"})
    prompts: int | None = field(default=None, metadata={"about": "whole prompts in a fixed set; null: fresh ones"})
    teachers_seed: int = field(default=0, metadata={"about": "which fixed set of teachers or prompts"})

    __pydantic_config__: ClassVar[Any] = {"strict": True, "extra": "forbid"}

    def __post_init__(self) -> None:
        for name, size in {"d_in": self.d_in, "d_out": self.d_out, "context": self.context}.items():
            check_count(name, size)
        for name, scale in {"input_scale": self.input_scale, "teacher_scale": self.teacher_scale}.items():
            if not (scale > 0 and math.isfinite(scale)):
                raise ValueError(f"{name}: {scale} must be a positive, finite number")
        if not (self.label_noise >= 0 and math.isfinite(self.label_noise)):
            raise ValueError(f"label_noise: {self.label_noise} must be a finite standard deviation of at least 0")
        if self.law not in ("uniform", "normal"):
            raise ValueError(f"law: {self.law!r} must be 'uniform' or 'normal'")
        if self.scales is not None:
            if len(self.scales) != self.d_in:
                raise ValueError(f"scales: {len(self.scales)} entries, but d_in is {self.d_in}: one each is needed")
            if not all(scale > 0 and math.isfinite(scale) for scale in self.scales):
                raise ValueError(f"scales: {self.scales} must be positive, finite numbers")
        for name, number in {"teachers": self.teachers, "prompts": self.prompts}.items():
            if number is not None and not 1 <= number <= LARGEST:
                raise ValueError(f"{name}: {number} must be at least 1 and at most {LARGEST}, or null")
        if self.teachers is not None and self.prompts is not None:
            raise ValueError(f"prompts: {self.prompts} fixed prompts have teachers of their own: teachers must be null")
        # torch's generator on the CPU uses 32 bits of a seed: two larger seeds could give the same set.
        if not 0 <= self.teachers_seed < 2**32:
            raise ValueError(f"teachers_seed: {self.teachers_seed} must be at least 0 and less than 2**32")

    def inputs(self, batch: int, count: int, generator: torch.Generator) -> Float[Tensor, "batch count d_in"]:
        """Draw only inputs, `count` of them for each of `batch` prompts."""
        x = torch.empty(batch, count, self.d_in, device=generator.device)
        if self.law == "uniform":
            x.uniform_(-self.input_scale, self.input_scale, generator=generator)
        else:
            x.normal_(0.0, self.input_scale, generator=generator)
        return self.scale_inputs(x)

    def scale_inputs(self, x: Float[Tensor, "batch count d_in"]) -> Float[Tensor, "batch count d_in"]:
        """Multiply every coordinate by its factor, in place."""
        return x if self.scales is None else x.mul_(x.new_tensor(self.scales))

    def draw_teachers(self, batch: int, generator: torch.Generator) -> Float[Tensor, "batch d_in d_out"]:
        """Draw only teachers, one for each prompt: fresh, or from the fixed set."""
        if self.teachers is not None:
            index = torch.randint(self.teachers, (batch,), generator=generator, device=generator.device)
            return self.teacher_set.to(generator.device)[index]
        w = torch.empty(batch, self.d_in, self.d_out, device=generator.device)
        return self._scale_teachers(w.normal_(0.0, self.teacher_scale, generator=generator))

    @cached_property
    def teacher_set(self) -> Float[Tensor, "teacher d_in d_out"]:
        """The fixed set of teachers, on the CPU; ValueError where teachers are fresh."""
        if self.teachers is None:
            raise ValueError("teachers: null has no set: every prompt has a fresh teacher")
        source = torch.Generator().manual_seed(self.teachers_seed)
        shape = _BLOCK, self.d_in, self.d_out
        drawn = [torch.empty(shape).normal_(generator=source) for _ in range(0, self.teachers, _BLOCK)]
        return self._scale_teachers(torch.cat(drawn)[: self.teachers] * self.teacher_scale)

    def sample(self, batch: int, generator: torch.Generator, queries: int = 1) -> RegressionPrompt:
        """Draw `batch` prompts with `queries` queries each, on the generator's device, in float32."""
        if self.prompts is not None:
            return self._with_queries(drawn_from(self.prompt_set, batch, generator), queries - 1, generator)
        x = self.inputs(batch, self.context + queries, generator)
        return self.labelled(x, self.draw_teachers(batch, generator), generator)

    @cached_property
    def prompt_set(self) -> RegressionPrompt:
        """The fixed set of prompts, with one query each, on the CPU; ValueError where prompts are fresh."""
        if self.prompts is None:
            raise ValueError("prompts: null has no set: every prompt is fresh")
        source = torch.Generator().manual_seed(self.teachers_seed)
        blocks = [self.fresh().sample(_BLOCK, source) for _ in range(0, self.prompts, _BLOCK)]
        return joined(blocks).batch(0, self.prompts)

    def fresh(self) -> "LinearRegression":
        """The task with new teachers and new inputs for every prompt.

        >>> LinearRegression(prompts=128).fresh() == LinearRegression(teachers=8).fresh() == LinearRegression()
        True
        """
        return replace(self, teachers=None, prompts=None)

    def _with_queries(self, prompt: RegressionPrompt, count: int, generator: torch.Generator) -> RegressionPrompt:
        """The prompts with `count` further queries of the same teachers, drawn afresh."""
        if count < 1 or prompt.teacher is None:
            return prompt
        x = self.inputs(len(prompt), count, generator)
        query, target = torch.cat([prompt.query, x], dim=1), torch.cat([prompt.target, x @ prompt.teacher], dim=1)
        return replace(prompt, query=query, target=target)

    def labelled(self, x: Tensor, teacher: Tensor, generator: torch.Generator) -> RegressionPrompt:
        """Make prompts of given inputs (batch context+queries d_in), the context's first, and teachers."""
        y = torch.bmm(x, teacher)
        labels, target = y[:, : self.context], y[:, self.context :]
        if self.label_noise > 0:
            labels = labels + torch.empty_like(labels).normal_(0.0, self.label_noise, generator=generator)
        return RegressionPrompt(x[:, : self.context], labels, x[:, self.context :], target, teacher)

    def bayes_predictor(self) -> RegressionPredictor:
        """The posterior mean: ridge regression with the true noise, or the mean over the fixed set of teachers.

        The prior of teacher entry k has standard deviation teacher_scale / scales[k]. With a fixed set of prompts it is
        the mean over their teachers. Without noise this is the best prediction, as no two of them fit the same labels;
        with noise the inputs would tell more.
        """
        if self.teachers is not None:
            return SetPosterior(self.teacher_set, self.label_noise)
        if self.prompts is not None:
            return SetPosterior(set_teachers(self.prompt_set), self.label_noise)
        scales = self.scales or (1.0,) * self.d_in
        return GaussianPosterior(tuple(self.teacher_scale / scale for scale in scales), self.label_noise)

    def trivial_predictions(self, prompt: RegressionPrompt) -> dict[str, Tensor]:
        """Zero, which is the mean of fresh teachers; with a fixed set of teachers also the prediction of their mean."""
        predictions = {"predicting zero": torch.zeros_like(prompt.target)}
        if self.teachers is not None:
            predictions["predicting with the mean teacher"] = prompt.query @ self.teacher_set.mean(dim=0).to(
                prompt.query
            )
        return predictions

    def _scale_teachers(self, w: Float[Tensor, "batch d_in d_out"]) -> Float[Tensor, "batch d_in d_out"]:
        return w if self.scales is None else w.div_(w.new_tensor(self.scales)[:, None])
