"""Does a model predict, and react to its query, as gradient descent does? ([VO] section 3, fig. 2)"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from mesa.learners import Learner
from probes.behaviour.agreement import loss_rows, prediction_difference, predictors, relative_distance
from probes.readings.reading import Reading
from probes.sensitivity import predictor_sensitivities
from probes.subject import RegressionSubject
from tasks.predictor import RegressionPredictor
from tasks.readers.reader import half_squared_error


@dataclass(frozen=True)
class GDAlignment:
    """Compare a model with learners tuned on other prompts, on one and the same batch.

    f is the model's prediction and g a learner's after one of its steps; df and dg are their gradients in the query.

    `loss`: of the model, in the reader's unit.
    `learner_loss`: of the learners on the same batch, in the same unit.
    `prediction_difference`: mean |f - g|; 0 where the two are equal.
    `relative_distance`: |f - g| / |g|; 0 where the two are equal.
    `sensitivity_cosine`: mean cosine of df and dg; 1 where they are parallel. A cosine alone does not show scale.
    `sensitivity_difference`: mean |df - dg|; 0 where the two are equal.
    `sensitivity_distance`: |df - dg| / |dg| over all prompts; 0 where the two are equal. It sees scale, and with one
    input, where the cosine of a prompt is +1 or -1, also by how much two slopes differ.

    In rows with a `layer`, f is decoded after that layer and compared with the learner's step of the same number; their
    `loss` is that of this f. `learners` None means gradient descent and GD++ with a step per layer, and one
    preconditioned step.

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

    @RegressionSubject.needed_to_apply
    def applies(self, subject: RegressionSubject) -> str | None:
        """Any model of regression prompts that predicts can be compared."""
        return None

    @RegressionSubject.needed_to_measure
    def __call__(self, subject: RegressionSubject, generator: torch.Generator) -> Reading:
        """Measure; the first half of the randomness tunes the learners, the second scores."""
        tuning = subject.prompts(self.prompts, generator)
        learners = predictors(self.learners, self.rivals, subject, tuning)
        prompt = subject.prompts(self.prompts, generator)
        prediction, gradient = subject.predict(prompt), subject.sensitivity(prompt)
        guesses = {learner.name: learner.predict(prompt) for learner in learners}
        rows = list(loss_rows(prediction, prompt, guesses))
        gradients = {learner.name: predictor_sensitivities(learner, prompt) for learner in learners}
        for learner in learners:
            for step, (g, dg) in enumerate(zip(guesses[learner.name], gradients[learner.name], strict=True), start=1):
                labels = {"learner": learner.name, "learner_step": step}
                rows += [{**row, **labels} for row in _compare(prediction, g, gradient, dg)]
        if self.by_layer and subject.n_layers > 1:
            predictions, layer_gradients = subject.layers(prompt)[1:], subject.layer_sensitivity(prompt)[1:]
            for layer, (f, df) in enumerate(zip(predictions, layer_gradients, strict=True)):
                rows += [{"metric": "loss", "layer": layer, "value": half_squared_error(f, prompt.target).item()}]
                for learner in learners:
                    if layer < len(guesses[learner.name]):
                        labels = {"learner": learner.name, "learner_step": layer + 1, "layer": layer}
                        compared = _compare(f, guesses[learner.name][layer], df, gradients[learner.name][layer])
                        rows += [{**row, **labels} for row in compared]
        return Reading.of({"readout": "prediction", **row} for row in rows)


def _compare(f: Tensor, g: Tensor, df: Tensor, dg: Tensor) -> Iterator[dict[str, object]]:
    values = {
        "prediction_difference": prediction_difference(f, g),
        "relative_distance": relative_distance(f, g),
        "sensitivity_cosine": float(cosine_similarity(df.flatten(2), dg.flatten(2), dim=-1).mean()),
        "sensitivity_difference": float((df - dg).flatten(2).norm(dim=-1).mean()),
        "sensitivity_distance": relative_distance(df, dg),
    }
    for metric, value in values.items():
        yield {"metric": metric, "value": value}
