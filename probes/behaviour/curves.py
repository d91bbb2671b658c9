"""Which curve does a model draw through a context? Its predictions along the input, a learner's, and the truth."""

from dataclasses import dataclass, replace

import torch

from mesa.learners import Learner
from probes.behaviour.agreement import predictors, relative_distance
from probes.readings.reading import Reading
from probes.subject import RegressionSubject
from tasks.predictor import RegressionPredictor
from tasks.prompt import RegressionPrompt


@dataclass(frozen=True)
class Curves:
    """Predictions at many queries of a few contexts, for tasks whose inputs are one number.

    `relative_distance`: |f - g| / |g| over all queries, of the model f and the last step g of each learner.

    Arrays hold one prompt a row: `context_x`, `context_y`, `query` (in rising order), `target`, `model`, and one named
    after each learner with the predictions of its last step.

    >>> from mesa.construction import gradient_step_model
    >>> from tasks import LinearRegression, PairedReader
    >>> subject = RegressionSubject(gradient_step_model(0.6, d_in=1), PairedReader(), LinearRegression(d_in=1))
    >>> reading = Curves(prompts=2, queries=50)(subject, torch.Generator().manual_seed(0))
    >>> reading.array("model").shape
    (2, 50)
    """

    prompts: int = 4
    queries: int = 200
    learners: tuple[Learner, ...] | None = None
    rivals: tuple[RegressionPredictor, ...] = ()
    name: str = "curves"

    @RegressionSubject.needed_to_apply
    def applies(self, subject: RegressionSubject) -> str | None:
        """Only where an input and a label are one number each."""
        prompt = subject.task.sample(1, torch.Generator())
        one_number_each = prompt.x.shape[-1] == prompt.y.shape[-1] == 1
        return None if one_number_each else "curves can be drawn where inputs and labels are one number each"

    @RegressionSubject.needed_to_measure
    def __call__(self, subject: RegressionSubject, generator: torch.Generator) -> Reading:
        """Measure; the first half of the randomness tunes the learners."""
        learners = predictors(self.learners, self.rivals, subject, subject.prompts(1000, generator))
        prompt = _ordered(subject.prompts(self.prompts, generator, queries=self.queries))
        prediction = subject.predict(prompt)
        guesses = {learner.name: learner.predict(prompt)[-1] for learner in learners}
        examples = {"context_x": prompt.x, "context_y": prompt.y, "query": prompt.query, "target": prompt.target}
        curves = {**examples, "model": prediction, **guesses}
        arrays = {name: curve[..., 0].cpu().numpy() for name, curve in curves.items()}
        rows = [
            {"metric": "relative_distance", "learner": name, "value": relative_distance(prediction, guess)}
            for name, guess in guesses.items()
        ]
        return Reading.of(rows, arrays)


def _ordered(prompt: RegressionPrompt) -> RegressionPrompt:
    """The same prompts with their queries from left to right."""
    order = prompt.query.argsort(dim=1)
    return replace(prompt, query=prompt.query.gather(1, order), target=prompt.target.gather(1, order))
