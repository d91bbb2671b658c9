"""Is one trained layer a step that can be repeated? Apply it again and again, as GD would ([VO] section 3)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from mesa import fast
from mesa.learners import GradientDescent
from probes.controls.constructed import tuning_prompts
from probes.readings.reading import Reading
from probes.sensitivity import chunks
from probes.subject import RegressionSubject
from tasks.prompt import RegressionPrompt
from tasks.readers.paired import PairedReader
from tasks.readers.reader import Inputs, half_squared_error

_Writer: TypeAlias = Callable[[Inputs], Tensor]


@dataclass(frozen=True)
class Rollout:
    """Apply a one-layer model to its own output again and again, and take as many steps of gradient descent.

    Each application updates only the y entries of the tokens, by what the layer writes times the damping. They are then
    clipped to +-`clip`, as the paper does for deep models. Gradient descent has the step size that is tuned for one
    step, on other prompts, times the damping. Its residuals are clipped alike: without a clip both diverge on rare
    prompts. Without damping, a step size that is 2 % off changes the loss after 50 steps by half. So gradient descent
    is tuned on the prompts that constructed controls are tuned on: the construction then takes the very same steps.

    `loss`: of the model after each number of `applications`, for each `damping`, in the reader's unit.
    `learner_loss`: of gradient descent after as many steps, in the same unit.

    >>> from mesa.construction import gradient_step_model
    >>> from tasks import LinearRegression
    >>> subject = RegressionSubject(gradient_step_model(0.6, d_in=10), PairedReader(), LinearRegression())
    >>> table = Rollout(prompts=100, applications=3)(subject, torch.Generator().manual_seed(0)).table
    >>> table.applications.unique().tolist()
    [1, 2, 3]
    """

    prompts: int = 5_000
    applications: int = 50
    dampings: tuple[float, ...] = (1.0, 0.875, 0.75)
    clip: float = 10.0
    name: str = "rollout"

    @RegressionSubject.needed_to_apply
    def applies(self, subject: RegressionSubject) -> str | None:
        """One-layer models on paired tokens only."""
        if subject.transformer is None or subject.n_layers != 1:
            return "only a model of one layer can be rolled out"
        if subject.transformer.config.d_model is not None:
            return "an embedded token has no y entry to update"
        if not isinstance(subject.reader, PairedReader):
            return "only paired tokens keep x and y apart"
        return None

    @RegressionSubject.needed_to_measure
    def __call__(self, subject: RegressionSubject, generator: torch.Generator) -> Reading:
        """Measure."""
        learner = GradientDescent().fit(tuning_prompts(subject))
        prompt = subject.prompts(self.prompts, generator)
        rows: list[dict[str, object]] = []
        for damping in self.dampings:
            for count, loss in enumerate(self._losses(subject, prompt, damping), start=1):
                rows.append({"metric": "loss", "damping": damping, "applications": count, "value": loss})
            labels = {"metric": "learner_loss", "learner": learner.name, "damping": damping}
            for count, loss in enumerate(self._descent(learner.step_sizes[0] * damping, prompt), start=1):
                rows.append({**labels, "learner_step": count, "applications": count, "value": loss})
        return Reading.of(rows)

    def _losses(self, subject: RegressionSubject, prompt: RegressionPrompt, damping: float) -> list[float]:
        """The model's loss after each application."""
        path = fast.path(subject.with_weights(), subject.reader)
        writer = path and path.writer()
        totals = torch.zeros(self.applications, dtype=torch.float64)
        for chunk in chunks(prompt):
            inputs = subject.encode(chunk)
            for index in range(self.applications):
                inputs = self._applied(subject, writer, inputs, chunk.x.shape[-1], damping)
                prediction = subject.decode(inputs.values, inputs)
                totals[index] += half_squared_error(prediction, chunk.target).item() * len(chunk.x)
        return (totals / len(prompt.x)).tolist()

    def _descent(self, step_size: float, prompt: RegressionPrompt) -> list[float]:
        """Gradient descent's loss after each step, clipped as the model's tokens are."""
        learner = GradientDescent(step_size, self.applications, clip=self.clip)
        return [half_squared_error(step, prompt.target).item() for step in learner.predict(prompt)]

    def _applied(
        self, subject: RegressionSubject, writer: _Writer | None, inputs: Inputs, d_in: int, damping: float
    ) -> Inputs:
        """The tokens after one more application of the layer to their y entries."""
        with torch.no_grad():
            x, y = inputs.values[..., :d_in], inputs.values[..., d_in:]
            written = writer(inputs) if writer else subject.output(inputs)[..., d_in:] - y
            updated = (y + damping * written).clamp(-self.clip, self.clip)
        return Inputs(torch.cat([x, updated], dim=-1), inputs.queries)
