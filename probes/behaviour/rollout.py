"""Is one trained layer a step that can be repeated? Apply it again and again, as GD would ([VO] section 3)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from mesa import fast
from mesa.learners import GradientDescent
from probes.reading import Reading
from probes.sensitivity import chunks
from probes.subject import RegressionSubject
from tasks.prompt import RegressionPrompt
from tasks.readers.paired import PairedReader
from tasks.readers.reader import Inputs, half_squared_error


@dataclass(frozen=True)
class Rollout:
    """Repeat a one-layer model on its own output, beside gradient descent with the step size tuned for one step.

    Only the y entries of the tokens are updated, each update times the damping and, as the paper does for deep models,
    clipped to +-`clip` after every application, as the learner's residuals are: a rare prompt makes both diverge.
    Metrics `loss` and `learner_loss` for every number of `applications`; and every `damping`.

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

    def applies(self, subject: RegressionSubject) -> str | None:
        """One-layer models on paired tokens only."""
        if subject.transformer is None or subject.n_layers != 1:
            return "only a model of one layer can be rolled out"
        if subject.transformer.config.d_model is not None:
            return "an embedded token has no y entry to update"
        if not isinstance(subject.reader, PairedReader):
            return "only paired tokens keep x and y apart"
        return None

    def __call__(self, subject: RegressionSubject, generator: torch.Generator) -> Reading:
        """Measure."""
        tuning = subject.prompts(self.prompts, generator)
        learner = GradientDescent().fit(tuning)
        prompt, rows = subject.prompts(self.prompts, generator), []
        for damping in self.dampings:
            rows += self._rows(damping, self._losses(subject, prompt, damping), {"metric": "loss"})
            described = {"metric": "learner_loss", "learner": learner.name}
            rows += self._rows(damping, self._descent(learner.step_sizes[0] * damping, prompt), described)
        return Reading.of(rows)

    def _rows(self, damping: float, losses: list[float], described: dict[str, Any]) -> Iterator[dict[str, Any]]:
        for count, loss in enumerate(losses, start=1):
            steps = {"learner_step": count} if "learner" in described else {}
            place = {"damping": damping, "applications": count}
            yield {**described, **steps, **place, "value": loss}

    def _losses(self, subject: RegressionSubject, prompt: RegressionPrompt, damping: float) -> list[float]:
        """The model's loss after each application."""
        path = fast.path(subject.with_weights(), subject.reader)
        totals = torch.zeros(self.applications, dtype=torch.float64)
        for part in chunks(prompt):
            inputs = subject.encode(part)
            for index in range(self.applications):
                inputs = self._applied(subject, path, inputs, part.x.shape[-1], damping)
                prediction = subject.decode(inputs.values, inputs)
                totals[index] += half_squared_error(prediction, part.target).item() * len(part.x)
        return (totals / len(prompt.x)).tolist()

    def _descent(self, step_size: float, prompt: RegressionPrompt) -> list[float]:
        """Gradient descent's loss after each step, clipped as the model's tokens are."""
        learner = GradientDescent(step_size, self.applications, clip=self.clip)
        return [half_squared_error(step, prompt.target).item() for step in learner.predict(prompt)]

    def _applied(
        self, subject: RegressionSubject, path: fast.FastPath | None, inputs: Inputs, d_in: int, damping: float
    ) -> Inputs:
        """The tokens after one more application of the layer to their y entries."""
        with torch.no_grad():
            x, y = inputs.values[..., :d_in], inputs.values[..., d_in:]
            written = path.written(inputs) if path else subject.output(inputs)[..., d_in:] - y
            moved = (y + damping * written).clamp(-self.clip, self.clip)
        return Inputs(torch.cat([x, moved], dim=-1), inputs.queries)
