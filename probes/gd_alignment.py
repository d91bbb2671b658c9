"""Does a model predict, and react to its query, as gradient descent does? ([VO] section 3, fig. 2)"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from mesa.learners import Learner
from probes.fit import default_learners, loss_rows, prediction_difference, relative_distance
from probes.reading import Reading
from probes.subject import Subject, sensitivity
from tasks.prompt import RegressionPrompt


@dataclass(frozen=True)
class GDAlignment:
    """Compare a model with learners tuned on other prompts, on one and the same batch.

    Metrics: `loss`, `learner_loss` (the reader's unit), `prediction_difference` (mean |f - g|), `relative_distance`
    (|f - g| / |g|), `sensitivity_cosine` (mean cosine of the gradients of the prediction in the query) and
    `sensitivity_difference` (mean L2 norm of their difference). A cosine alone says little: it hides scale.
    `learners` None means gradient descent with a step per layer, and one preconditioned step.

    >>> from mesa.construction import gradient_step_model
    >>> from tasks import LinearRegression, PairedReader
    >>> subject = Subject(gradient_step_model(0.6, d_in=10), PairedReader(), LinearRegression())
    >>> table = GDAlignment(prompts=500)(subject, torch.Generator().manual_seed(0)).table
    >>> cosine = table[(table.metric == "sensitivity_cosine") & (table.learner == "gd")]
    >>> round(cosine["value"].item(), 6)
    1.0
    """

    prompts: int = 10_000
    learners: tuple[Learner, ...] | None = None
    name: str = "gd_alignment"

    def applies(self, subject: Subject) -> str | None:
        """Always: any model that predicts can be compared."""
        return None

    def __call__(self, subject: Subject, generator: torch.Generator) -> Reading:
        """Measure; the first half of the randomness tunes the learners, the second scores."""
        tuning = subject.prompts(self.prompts, generator)
        learners = tuple(each.tuned(tuning) for each in self.learners or default_learners(subject))
        prompt = subject.prompts(self.prompts, generator)
        prediction, reaction = subject.predict(prompt), subject.sensitivity(prompt)
        guesses = {learner.name: learner.predict(prompt) for learner in learners}
        rows = list(loss_rows(prediction, prompt, guesses))
        for learner in learners:
            rows += _compare(learner, prompt, guesses[learner.name], prediction, reaction)
        return Reading.of({"readout": "prediction", **row} for row in rows)


def _compare(
    learner: Learner, prompt: RegressionPrompt, guesses: Tensor, f: Tensor, df: Tensor
) -> Iterator[dict[str, Any]]:
    weights = learner.weights(prompt)
    for index, g in enumerate(guesses):
        if weights is not None:
            # Linear in the query: the weights are the sensitivity, the same for every query of a prompt.
            dg = weights[index].mT[:, None].expand(df.shape)
        else:
            dg = sensitivity(lambda asked, index=index: learner.predict(asked)[index], prompt)
        gap = (df - dg).flatten(2).norm(dim=-1)
        values = {
            "prediction_difference": prediction_difference(f, g),
            "relative_distance": relative_distance(f, g),
            "sensitivity_cosine": float(cosine_similarity(df.flatten(2), dg.flatten(2), dim=-1).mean()),
            "sensitivity_difference": float(gap.mean()),
        }
        for metric, value in values.items():
            yield {"metric": metric, "learner": learner.name, "learner_step": index + 1, "value": value}
