"""Is one trained layer a step that can be repeated? Apply it again and again, as GD would ([VO] section 3)."""

from dataclasses import dataclass, replace

import torch

from mesa.learners import GradientDescent
from mesa.model import InContextTransformer
from probes.reading import Reading
from probes.subject import Subject
from tasks.reader import Inputs, PairedReader, half_squared_error


@dataclass(frozen=True)
class Rollout:
    """Repeat a one-layer model on its own output, and gradient descent with the step size tuned for one step.

    Only the y entries of the tokens are updated, each update times the damping; gradient descent's step size times the
    same. Metrics `loss` and `learner_loss` for every number of `applications`; `condition` is damping.

    >>> from mesa.construction import gradient_step_model
    >>> from tasks import LinearRegression
    >>> subject = Subject(gradient_step_model(0.6, d_in=10), PairedReader(), LinearRegression())
    >>> table = Rollout(prompts=100, applications=3)(subject, torch.Generator().manual_seed(0)).table
    >>> table.applications.max()
    np.int64(3)
    """

    prompts: int = 10_000
    applications: int = 50
    dampings: tuple[float, ...] = (1.0, 0.875, 0.75)
    name: str = "rollout"

    def applies(self, subject: Subject) -> str | None:
        """One-layer models on paired tokens only."""
        if not isinstance(subject.model, InContextTransformer) or subject.model.cfg.n_layers != 1:
            return "only a model of one layer can be rolled out"
        if subject.model.config.d_model is not None:
            return "an embedded token has no y entry to update"
        if not isinstance(getattr(subject.reader, "base", subject.reader), PairedReader):
            return "only paired tokens keep x and y apart"
        return None

    def __call__(self, subject: Subject, generator: torch.Generator) -> Reading:
        """Measure."""
        learner = GradientDescent().tuned(subject.prompts(self.prompts, generator))
        prompt = subject.prompts(self.prompts, generator)
        d_in, rows = prompt.x.shape[-1], []
        for damping in self.dampings:
            repeated = replace(learner, step_size=learner.step_size * damping, steps=self.applications)
            guesses = repeated.predict(prompt)
            inputs = subject.reader.encode(prompt)
            described = {"condition": "damping", "condition_value": damping}
            for count in range(1, self.applications + 1):
                inputs = _applied(subject, inputs, d_in, damping)
                prediction = subject.reader.decode(inputs.values, inputs)
                loss = half_squared_error(prediction, prompt.target).item()
                learner_loss = half_squared_error(guesses[count - 1], prompt.target).item()
                place = {**described, "applications": count}
                rows.append({**place, "metric": "loss", "value": loss})
                steps = {"learner": learner.name, "learner_step": count}
                rows.append({**place, **steps, "metric": "learner_loss", "value": learner_loss})
        return Reading.of(rows)


def _applied(subject: Subject, inputs: Inputs, d_in: int, damping: float) -> Inputs:
    """The tokens after one more application of the layer to their y entries."""
    with torch.no_grad():
        change = subject.output(inputs) - inputs.values
    change[..., :d_in] = 0
    return Inputs(inputs.values + damping * change, inputs.queries)
