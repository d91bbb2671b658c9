"""Does a model predict, and react to its query, as gradient descent does? ([VO] section 3, fig. 2)"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from mesa.learners import Learner
from probes.behaviour.agreement import (
    loss_rows,
    prediction_difference,
    predictors,
    relative_distance,
)
from probes.reading import Reading
from probes.sensitivity import predictor_sensitivities
from probes.subject import RegressionSubject
from tasks.predictor import RegressionPredictor
from tasks.readers.reader import half_squared_error


@dataclass(frozen=True)
class GDAlignment:
    """Compare a model with learners tuned on other prompts, on one and the same batch.

    Metrics: `loss`, `learner_loss` (the reader's unit), `prediction_difference` (mean |f - g|), `relative_distance`
    (|f - g| / |g|), `sensitivity_cosine` (mean cosine of the gradients of the prediction in the query) and
    `sensitivity_difference` (mean L2 norm of their difference). A cosine alone says little: it hides scale. Rows with a
    `layer` compare the prediction decoded after that layer with a learner's step of the same number, and give its
    `loss`. `learners` None means gradient descent and GD++ with a step per layer, and one preconditioned step.

    >>> from mesa.construction import gradient_step_model
    >>> from tasks import LinearRegression, PairedReader
    >>> subject = RegressionSubject(gradient_step_model(0.6, d_in=10), PairedReader(), LinearRegression())
    >>> table = GDAlignment(prompts=500)(subject, torch.Generator().manual_seed(0)).table
    >>> cosine = table[(table.metric == "sensitivity_cosine") & (table.learner == "gd")]
    >>> round(cosine["value"].item(), 6)
    1.0
    """

    prompts: int = 10_000
    learners: tuple[Learner, ...] | None = None
    rivals: tuple[RegressionPredictor, ...] = ()
    by_layer: bool = True
    name: str = "gd_alignment"

    def applies(self, subject: RegressionSubject) -> str | None:
        """Any model of regression prompts that predicts can be compared."""
        return None

    def __call__(self, subject: RegressionSubject, generator: torch.Generator) -> Reading:
        """Measure; the first half of the randomness tunes the learners, the second scores."""
        tuning = subject.prompts(self.prompts, generator)
        learners = predictors(self.learners, self.rivals, subject, tuning)
        prompt = subject.prompts(self.prompts, generator)
        prediction, reaction = subject.predict(prompt), subject.sensitivity(prompt)
        guesses = {learner.name: learner.predict(prompt) for learner in learners}
        rows = list(loss_rows(prediction, prompt, guesses))
        reactions = {learner.name: predictor_sensitivities(learner, prompt) for learner in learners}
        for learner in learners:
            for step, (g, dg) in enumerate(zip(guesses[learner.name], reactions[learner.name], strict=True), start=1):
                found = _compare(prediction, g, reaction, dg)
                rows += [{**row, "learner": learner.name, "learner_step": step} for row in found]
        if self.by_layer and subject.n_layers > 1:
            stages, turns = subject.layers(prompt)[1:], subject.layer_sensitivity(prompt)[1:]
            for layer, (f, df) in enumerate(zip(stages, turns, strict=True)):
                rows += [{"metric": "loss", "layer": layer, "value": half_squared_error(f, prompt.target).item()}]
                for learner in learners:
                    if layer < len(guesses[learner.name]):
                        found = _compare(f, guesses[learner.name][layer], df, reactions[learner.name][layer])
                        place = {"learner": learner.name, "learner_step": layer + 1, "layer": layer}
                        rows += [{**row, **place} for row in found]
        return Reading.of({"readout": "prediction", **row} for row in rows)


def _compare(f: Tensor, g: Tensor, df: Tensor, dg: Tensor) -> Iterator[dict[str, Any]]:
    gap = (df - dg).flatten(2).norm(dim=-1)
    values = {
        "prediction_difference": prediction_difference(f, g),
        "relative_distance": relative_distance(f, g),
        "sensitivity_cosine": float(cosine_similarity(df.flatten(2), dg.flatten(2), dim=-1).mean()),
        "sensitivity_difference": float(gap.mean()),
    }
    for metric, value in values.items():
        yield {"metric": metric, "value": value}
