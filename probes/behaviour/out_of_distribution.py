"""Does a model leave its training distribution as its learner does? ([VO] section 3, fig. 3)"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from mesa.learners import Learner
from probes.behaviour.agreement import loss_rows, predictors, relative_distance
from probes.readings.reading import Reading
from probes.subject import RegressionSubject
from tasks.predictor import RegressionPredictor
from tasks.prompt import RegressionPrompt
from tasks.regression.linear_regression import LinearRegression
from tasks.regression.shifts import InputScale, NoisyLabels, QueryScale, RescaledInputs, TeacherScale
from tasks.regression.sine import SineRegression
from tasks.task import Task


@dataclass(frozen=True)
class OutOfDistribution:
    """The losses of a model f and of learners g, tuned in distribution, on the same shifted prompts.

    `loss`: of the model, in the reader's unit.
    `learner_loss`: of the learners, in the same unit; the learner `zero` always predicts zero.
    `relative_distance`: |f - g| / |g|; 0 where the two are equal.
    `error_ratio`: |f - g| / |g - target|; 0 where f is g, 1 where f is the target.

    For linear regression a `condition` has these values:

    input_scale, teacher_scale, query_scale: the factor; 1 is in distribution.
    noisy_labels: how many labels are noise; 0 is in distribution.
    normal, exponential, laplace: the Frobenius norm of the context's inputs, which have that law.

    For sine curves:

    input_scale, amplitude_scale: the factor of the range; 1 is in distribution.
    phase_shift: in radians; 0 is in distribution.

    A list of values may be empty.

    >>> from mesa.construction import gradient_step_model
    >>> from tasks import PairedReader
    >>> subject = RegressionSubject(gradient_step_model(0.6, d_in=10), PairedReader(), LinearRegression())
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
    amplitude_scales: tuple[float, ...] = (0.5, 1.0, 1.5, 2.0, 3.0)
    phase_shifts: tuple[float, ...] = (0.0, math.pi / 4, math.pi / 2, 3 * math.pi / 4, math.pi)
    learners: tuple[Learner, ...] | None = None
    rivals: tuple[RegressionPredictor, ...] = ()
    name: str = "out_of_distribution"

    @RegressionSubject.needed_to_apply
    def applies(self, subject: RegressionSubject) -> str | None:
        """Linear regression and sine curves only: the shifts are shifts of them."""
        has_shifts = isinstance(subject.task, LinearRegression | SineRegression)
        return None if has_shifts else "the shifts are those of linear regression and of sine curves"

    @RegressionSubject.needed_to_measure
    def __call__(self, subject: RegressionSubject, generator: torch.Generator) -> Reading:
        """Measure every condition on fresh prompts."""
        base = subject.task
        assert isinstance(base, LinearRegression | SineRegression)
        shifts = self._linear(base) if isinstance(base, LinearRegression) else self._sine(base)
        tuning = subject.prompts(self.prompts, generator)
        learners = predictors(self.learners, self.rivals, subject, tuning)
        rows = []
        for condition, value, task in shifts:
            prompt = subject.prompts(self.prompts, generator, task)
            labels = {"condition": condition, "condition_value": value}
            guesses = {learner.name: learner.predict(prompt) for learner in learners}
            prediction = subject.predict(prompt)
            compared = [*loss_rows(prediction, prompt, guesses), *_distances(prediction, prompt, guesses)]
            rows += [{**labels, **row} for row in compared]
        return Reading.of(rows)

    def _sine(self, task: SineRegression) -> Iterator[tuple[str, float, Task]]:
        low, high = task.inputs
        for factor in self.input_scales:
            yield "input_scale", factor, replace(task, inputs=(low * factor, high * factor))
        low, high = task.amplitudes
        for factor in self.amplitude_scales:
            yield "amplitude_scale", factor, replace(task, amplitudes=(low * factor, high * factor))
        low, high = task.phases
        for shift in self.phase_shifts:
            yield "phase_shift", shift, replace(task, phases=(low + shift, high + shift))

    def _linear(self, task: LinearRegression) -> Iterator[tuple[str, float, Task]]:
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
            yield from ((law, norm, RescaledInputs(task, law, norm)) for norm in self.norms)


def _distances(
    f: Tensor, prompt: RegressionPrompt, steps_by_learner: Mapping[str, Tensor]
) -> Iterator[dict[str, object]]:
    for name, guesses in steps_by_learner.items():
        for step, g in enumerate(guesses, start=1):
            labels = {"learner": name, "learner_step": step}
            yield {"metric": "relative_distance", **labels, "value": relative_distance(f, g)}
            # Where the learner is nearly right, the ratio is a large number or not defined.
            yield {"metric": "error_ratio", **labels, "value": float((f - g).norm() / (g - prompt.target).norm())}
