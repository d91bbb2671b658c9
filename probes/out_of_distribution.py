"""Does a model leave its training distribution as its learner does? ([VO] section 3, fig. 3)"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from mesa.learners import Learner
from probes.fit import default_learners, loss_rows, tuned
from probes.reading import Reading
from probes.subject import Subject
from tasks.linear_regression import LinearRegression
from tasks.shifts import InputScale, NoisyLabels, OtherLaw, QueryScale, TeacherScale
from tasks.task import Task


@dataclass(frozen=True)
class OutOfDistribution:
    """The losses of a model and of learners, tuned in distribution, on the same shifted prompts.

    `condition` is input_scale, teacher_scale or query_scale (`condition_value` the factor; 1 is in distribution),
    noisy_labels (how many labels are noise), or normal, exponential, laplace (the context's Frobenius norm). Metrics:
    `loss` and `learner_loss`; the learner `zero` always predicts zero. A list of factors may be empty.

    >>> from mesa.construction import gradient_step_model
    >>> from tasks import PairedReader
    >>> subject = Subject(gradient_step_model(0.6, d_in=10), PairedReader(), LinearRegression())
    >>> probe = OutOfDistribution(prompts=100)
    >>> sorted(probe(subject, torch.Generator().manual_seed(0)).table.condition.unique())[:3]
    ['exponential', 'input_scale', 'laplace']
    """

    prompts: int = 5_000
    input_scales: tuple[float, ...] = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0)
    teacher_scales: tuple[float, ...] = (0.25, 0.5, 1.0, 2.0, 4.0)
    query_scales: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0)
    noisy_labels: tuple[int, ...] = (0, 1, 2, 3, 5, 7, 10)
    norms: tuple[float, ...] = (0.5, 1.0, 2.0, 3.0, 4.0, 5.0)
    learners: tuple[Learner, ...] | None = None
    name: str = "out_of_distribution"

    def applies(self, subject: Subject) -> str | None:
        """Linear regression only: the shifts are shifts of it."""
        return None if isinstance(subject.task, LinearRegression) else "the shifts are those of linear regression"

    def __call__(self, subject: Subject, generator: torch.Generator) -> Reading:
        """Measure every condition on fresh prompts."""
        assert isinstance(subject.task, LinearRegression)
        tuning = subject.prompts(self.prompts, generator)
        learners = tuned(self.learners or default_learners(subject), tuning)
        rows = []
        for condition, value, task in self._shifts(subject.task):
            prompt = subject.prompts(self.prompts, generator, task)
            described = {"condition": condition, "condition_value": value}
            guesses = {learner.name: learner.predict(prompt) for learner in learners}
            rows += [{**described, **row} for row in loss_rows(subject.predict(prompt), prompt, guesses)]
        return Reading.of(rows)

    def _shifts(self, task: LinearRegression) -> Iterator[tuple[str, float, Task]]:
        scales = {
            "input_scale": (InputScale, self.input_scales),
            "teacher_scale": (TeacherScale, self.teacher_scales),
            "query_scale": (QueryScale, self.query_scales),
        }
        for condition, (shift, factors) in scales.items():
            yield from ((condition, factor, shift(task, factor)) for factor in factors)
        for count in self.noisy_labels:
            if count <= task.context:
                yield "noisy_labels", float(count), NoisyLabels(task, count)
        for law in ("normal", "exponential", "laplace"):
            yield from ((law, norm, OtherLaw(task, law, norm)) for norm in self.norms)
