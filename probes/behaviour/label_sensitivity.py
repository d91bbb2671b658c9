"""How does a prediction depend on every label of its context, and is it the dependence that a learner has?"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from mesa.learners import Learner
from probes.behaviour.agreement import loss_rows, predictors, relative_distance
from probes.readings.reading import Reading
from probes.sensitivity import chunks, label_sensitivities
from probes.subject import RegressionSubject
from tasks.predictor import RegressionPredictor
from tasks.prompt import RegressionPrompt


@dataclass(frozen=True)
class LabelSensitivity:
    """Compare the Jacobian J of a model's prediction f in the context's labels with every learner's, on one batch.

    Gradient descent from zero, least squares and ridge are linear in the labels: they predict sum_i J_i y_i, with J a
    function of the inputs and the query alone. For them J is the whole algorithm, where the gradient in the query is
    only the weights at one set of labels.

    `nonlinearity`: |f' - sum_i J_i y'_i| / |f'| of the model, with f' its prediction for other labels y'; 0 where J is
    the whole algorithm, as for all that is linear in the labels. y' are the same labels, negated and each moved to the
    next example: with y itself it would be 0 for all that doubles when the labels double, conjugate gradients included.
    `cosine`: mean over prompts of the cosine between the model's J and a learner's; it does not depend on scale.
    `relative_distance`: |J - J_learner| / |J_learner| over all prompts; 0 for the learner itself.
    `loss`: of the model, in the reader's unit.
    `learner_loss`: of the learners on the same batch, in the same unit.

    `learners` None means gradient descent and GD++ with a step per layer, and one preconditioned step.

    >>> from mesa.construction import gradient_step_model
    >>> from tasks import LinearRegression, PairedReader
    >>> subject = RegressionSubject(gradient_step_model(0.6, d_in=3), PairedReader(), LinearRegression(d_in=3))
    >>> table = LabelSensitivity(prompts=100)(subject, torch.Generator().manual_seed(0)).table
    >>> round(table[(table.metric == "cosine") & (table.learner == "gd")]["value"].item(), 6)
    1.0
    """

    prompts: int = 2_000
    learners: tuple[Learner, ...] | None = None
    rivals: tuple[RegressionPredictor, ...] = ()
    name: str = "label_sensitivity"

    @RegressionSubject.needed_to_apply
    def applies(self, subject: RegressionSubject) -> str | None:
        """Any model of regression prompts, whose labels are numbers that a gradient can be taken in."""
        return None

    @RegressionSubject.needed_to_measure
    def __call__(self, subject: RegressionSubject, generator: torch.Generator) -> Reading:
        """Measure; the first half of the prompts fits the learners, the second scores."""
        tuning = subject.prompts(self.prompts, generator)
        compared = predictors(self.learners, self.rivals, subject, tuning)
        prompt = subject.prompts(self.prompts, generator)
        prediction, jacobian = subject.predict(prompt), subject.label_sensitivity(prompt)
        rows = list(loss_rows(prediction, prompt, {learner.name: learner.predict(prompt) for learner in compared}))
        rows.append({"metric": "nonlinearity", "value": _nonlinearity(subject, prompt, jacobian)})
        for learner in compared:
            jacobians = torch.cat([label_sensitivities(learner.predict, chunk) for chunk in chunks(prompt)], dim=1)
            for step, expected in enumerate(jacobians, start=1):
                labels = {"learner": learner.name, "learner_step": step}
                rows += [{**labels, **row} for row in _compare(jacobian, expected)]
        return Reading.of({"readout": "prediction", **row} for row in rows)


def _nonlinearity(subject: RegressionSubject, prompt: RegressionPrompt, jacobian: Tensor) -> float:
    moved = replace(prompt, y=-prompt.y.roll(1, dims=1))
    prediction, linear = subject.predict(moved), torch.einsum("bqonl,bnl->bqo", jacobian, moved.y)
    return float((prediction - linear).norm() / prediction.norm())


def _compare(jacobian: Tensor, expected: Tensor) -> Iterator[dict[str, object]]:
    cosine = cosine_similarity(jacobian.flatten(1), expected.flatten(1), dim=1)
    yield {"metric": "cosine", "value": float(cosine.mean())}
    yield {"metric": "relative_distance", "value": relative_distance(jacobian, expected)}
