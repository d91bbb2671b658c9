"""Linear regression in context with sparse teachers: most weights are zero (Garg et al. 2022, arXiv 2208.01066)."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from tasks.limits import check_count
from tasks.predictor import RegressionPredictor
from tasks.prompt import RegressionPrompt
from tasks.regression.linear_regression import Law, LinearRegression


@dataclass(frozen=True)
class SparseLinearRegression:
    """Each prompt has its own teacher: `nonzero` of its d_in weights are drawn from N(0, teacher_scale^2), others 0.

    Which inputs have a weight is drawn uniformly without replacement for every prompt, and is one choice for all
    outputs. Inputs, labels and noise are those of `LinearRegression`. At the default, predicting zero costs
    nonzero * input_scale**2 / 6 = 0.125. Lengths and scales are pure numbers. Raises ValueError, naming the field, for
    a value outside its range.

    >>> task = SparseLinearRegression(d_in=5, nonzero=2)
    >>> prompt = task.sample(4, torch.Generator().manual_seed(0))
    >>> (prompt.teacher != 0).sum(dim=1).flatten().tolist()
    [2, 2, 2, 2]
    """

    d_in: int = field(default=10, metadata={"about": "entries of an input x"})
    d_out: int = field(default=1, metadata={"about": "entries of a label y"})
    context: int = field(default=10, metadata={"about": "examples per prompt, N"})
    nonzero: int = field(default=3, metadata={"about": "entries of x that have a weight, 1 to d_in"})
    law: Law = field(default="uniform", metadata={"about": "uniform or normal inputs"})
    input_scale: float = field(default=0.5, metadata={"about": "half width, or standard deviation, of the inputs"})
    teacher_scale: float = field(default=1.0, metadata={"about": "standard deviation of the weights that are not zero"})
    label_noise: float = field(default=0.0, metadata={"about": "standard deviation of the noise on context labels"})

    __pydantic_config__: ClassVar[Any] = {"strict": True, "extra": "forbid"}

    def __post_init__(self) -> None:
        # The dense task checks the fields that the two share.
        dense = self.dense
        check_count("nonzero", self.nonzero, 1, dense.d_in, "d_in, ")

    @property
    def dense(self) -> LinearRegression:
        """The task with the same inputs and noise whose teachers have no zeros."""
        return LinearRegression(
            d_in=self.d_in,
            d_out=self.d_out,
            context=self.context,
            law=self.law,
            input_scale=self.input_scale,
            teacher_scale=self.teacher_scale,
            label_noise=self.label_noise,
        )

    def draw_teachers(self, batch: int, generator: torch.Generator) -> Float[Tensor, "batch d_in d_out"]:
        """Draw only teachers, one for each prompt."""
        teachers = self.dense.draw_teachers(batch, generator)
        # The ranks of independent uniform numbers are a uniform permutation.
        order = torch.rand(batch, self.d_in, generator=generator, device=generator.device).argsort(dim=1)
        return torch.where((order < self.nonzero)[..., None], teachers, 0.0)

    def sample(self, batch: int, generator: torch.Generator, queries: int = 1) -> RegressionPrompt:
        """Draw `batch` prompts with `queries` queries each, on the generator's device, in float32."""
        dense = self.dense
        x = dense.inputs(batch, self.context + queries, generator)
        return dense.labelled(x, self.draw_teachers(batch, generator), generator)

    def trivial_predictions(self, prompt: RegressionPrompt) -> dict[str, Tensor]:
        """Zero: it is the mean of the teachers."""
        return self.dense.trivial_predictions(prompt)

    def bayes_predictor(self) -> RegressionPredictor | None:
        """The dense task's where no weight is zero; else None: the posterior sums over all sets of weights."""
        return self.dense.bayes_predictor() if self.nonzero == self.d_in else None
