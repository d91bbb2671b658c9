"""Which learning algorithm is it? The learner that explains the predictions, in and out of distribution, or none."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from mesa.registry import CandidateSpace
from probes.behaviour.candidates import Candidate, SignedPermutation, candidates
from probes.reading import Reading
from probes.subject import RegressionSubject
from tasks.prompt import RegressionPrompt
from tasks.regression.linear_regression import LinearRegression
from tasks.regression.shifts import InputScale, NoisyLabels
from tasks.task import Task

# Calibrated on planted models (`mesa bench identify`).
BOUND = 0.35
SYSTEMATIC = 0.005
# A preconditioned learner may be as asymmetric as its model, so less of the sum is forgiven.
UNEVEN = 0.02


@dataclass(frozen=True)
class Score:
    """How much of the model's variance a fitted candidate leaves unexplained, at its worst over all conditions."""

    candidate: Candidate
    total: float
    systematic: float

    def suffices(self, bound: float, systematic: float) -> bool:
        """Whether it explains the model; NaN, of a fit that overflowed, never does."""
        return self.total <= (bound if self.candidate.equivariant else UNEVEN) and self.systematic <= systematic


@dataclass(frozen=True)
class Identity:
    """What a model was identified as: the simplest candidate that suffices, or None, and all that agree with it.

    `margin` is how much more systematic variance the runner-up, the best that does not suffice, leaves unexplained.
    """

    answer: Candidate | None
    agreeing: tuple[Candidate, ...]
    runner_up: Candidate | None
    margin: float


def decide(scores: Sequence[Score], bound: float = BOUND, systematic: float = SYSTEMATIC) -> Identity:
    """Apply the criterion to scores, which come simplest first."""
    inside = [score for score in scores if score.suffices(bound, systematic)]
    outside = [score for score in scores if not score.suffices(bound, systematic)]
    second = min(outside, key=_distance, default=None)
    best = inside[0] if inside else None
    margin = math.nan
    if second is not None:
        margin = _distance(second) - (_distance(best) if best else 0.0)
    agreeing = tuple(score.candidate for score in inside)
    return Identity(best.candidate if best else None, agreeing, second.candidate if second else None, margin)


@dataclass(frozen=True)
class Identify:
    """Fit every learner to the model's predictions on some prompts; score it on others, shifted ones among them.

    With f the model and g a fitted learner, `unexplained_variance` is E (f - g)^2 / Var f. Every equivariant g gives
    turned prompts (coordinates permuted or flipped) the same answer; with F the mean of f over turns,
    E (f - g)^2 = E (f - F)^2 + E (F - g)^2, as g and F are constant over turns. The first term, `asymmetry`, is what
    none of these learners can explain, such as noise in the weights; the second, `unexplained_systematic`, is what
    tells one learner from another. A candidate suffices when, in every condition, the first sum stays below `bound` and
    the second term below `systematic`; for preconditioned GD, which may be asymmetric, it is all systematic, under
    `bound`. The row `identified` names the simplest that suffices, or none; its value is the margin to the runner-up.
    Candidates that suffice too agree with it on this task, and have a row `agrees`.

    >>> from mesa.construction import gradient_step_model
    >>> from tasks import PairedReader
    >>> subject = RegressionSubject(gradient_step_model(0.6, d_in=3), PairedReader(), LinearRegression(d_in=3))
    >>> table = Identify(prompts=200, max_steps=1)(subject, torch.Generator().manual_seed(0)).table
    >>> table[table.metric == "identified"][["learner", "learner_step"]].values.tolist()
    [['gd', 1]]
    """

    prompts: int = 1_000
    turns: int = 4
    max_steps: int | None = None
    bound: float = BOUND
    systematic: float = SYSTEMATIC
    input_scales: tuple[float, ...] = (0.5, 0.75)
    name: str = "identify"

    def __post_init__(self) -> None:
        if self.turns < 2:
            raise ValueError(f"turns: {self.turns} must be at least 2, to tell asymmetry from what is systematic")

    def applies(self, subject: RegressionSubject) -> str | None:
        """Linear regression only: the learners are learners of it."""
        return None if isinstance(subject.task, LinearRegression) else "the learners are those of linear regression"

    def __call__(self, subject: RegressionSubject, generator: torch.Generator) -> Reading:
        """Measure."""
        scores, rows = self.scores(subject, generator)
        found = decide(scores, self.bound, self.systematic)
        answer = {"learner": "none"} if found.answer is None else _named(found.answer)
        rows.append({"metric": "identified", **answer, "value": found.margin})
        rows += [{"metric": "agrees", **_named(candidate), "value": 1.0} for candidate in found.agreeing]
        if found.runner_up is not None:
            worst = next(score for score in scores if score.candidate == found.runner_up)
            rows.append({"metric": "runner_up", **_named(found.runner_up), "value": _distance(worst)})
        return Reading.of({"readout": "prediction", **row} for row in rows)

    def scores(
        self, subject: RegressionSubject, generator: torch.Generator
    ) -> tuple[list[Score], list[dict[str, Any]]]:
        """The score of every candidate, simplest first, and the rows behind it."""
        task = subject.task
        assert isinstance(task, LinearRegression)
        exchangeable = task.scales is None or len(set(task.scales)) == 1
        turns = [SignedPermutation.draw(self.prompts, task.d_in, exchangeable, generator) for _ in range(self.turns)]
        tuning = subject.prompts(self.prompts, generator)
        wide = tuning.to(dtype=torch.float64)
        even = replace(wide, target=_answers(subject, tuning, turns).mean(dim=0))
        uneven = replace(wide, target=subject.predict(tuning).double())
        conditions = [
            (name, value, _Condition.of(subject, subject.prompts(self.prompts, generator, shifted), turns))
            for name, value, shifted in self._conditions(task)
        ]
        layers = subject.n_layers
        most = self.max_steps or max(2, layers + 1)
        rows = [
            {"metric": "asymmetry", "condition": name, "condition_value": value, "value": condition.asymmetry}
            for name, value, condition in conditions
        ]
        listed = candidates(CandidateSpace(task.d_in, most, self.max_steps or max(2, layers)))
        scores, paths = [], dict[tuple[str, int], Tensor]()
        for candidate in listed:
            learner, parts = candidate.fitted(even if candidate.equivariant else uneven), []
            for index, (name, value, condition) in enumerate(conditions):
                if candidate.free:
                    guess = learner.predict(condition.prompt)[-1]
                else:
                    # Nothing is fitted: one call with the most steps gives all of them.
                    if (candidate.name, index) not in paths:
                        longest = [other for other in listed if other.name == candidate.name][-1]
                        paths[candidate.name, index] = longest.fitted(even).predict(condition.prompt)
                    guess = paths[candidate.name, index][candidate.steps - 1]
                where = {**_named(candidate), "condition": name, "condition_value": value}
                # An asymmetric learner's own asymmetry is no noise, so it is compared with what the model said.
                total, systematic = condition.unexplained(guess) if candidate.equivariant else condition.plain(guess)
                rows += [{"metric": "unexplained_variance", **where, "value": total}]
                if candidate.equivariant:
                    rows += [{"metric": "unexplained_systematic", **where, "value": systematic}]
                parts.append((total, systematic))
            scores.append(Score(candidate, _worst(part[0] for part in parts), _worst(part[1] for part in parts)))
        return scores, rows

    def _conditions(self, task: LinearRegression) -> Iterator[tuple[str, float, Task]]:
        yield "in_distribution", 1.0, task
        for factor in self.input_scales:
            yield "input_scale", factor, InputScale(task, factor)
        noisy = max(task.context // 2, 1)
        yield "noisy_labels", float(noisy), NoisyLabels(task, noisy)


@dataclass(frozen=True, eq=False)
class _Condition:
    """Prompts, and the model's answers (turn batch query d_out) to them, turned back."""

    prompt: RegressionPrompt
    said: Tensor
    answers: Tensor
    variance: float

    @classmethod
    def of(
        cls, subject: RegressionSubject, prompt: RegressionPrompt, turns: Sequence[SignedPermutation]
    ) -> "_Condition":
        answers = _answers(subject, prompt, turns)
        said = subject.predict(prompt).double()
        return cls(prompt.to(dtype=torch.float64), said, answers, float(answers.var()))

    @property
    def asymmetry(self) -> float:
        """E (f - F)^2 / Var f, without bias: the variance over turns of each answer."""
        return float(self.answers.var(dim=0).mean()) / self.variance if self.variance else math.nan

    def plain(self, guess: Tensor) -> tuple[float, float]:
        """E (f - g)^2 / Var f on the prompts as they are, and no systematic part."""
        return (float((self.said - guess).square().mean()) / self.variance if self.variance else math.nan), 0.0

    def unexplained(self, guess: Tensor) -> tuple[float, float]:
        """E (f - g)^2 / Var f and E (F - g)^2 / Var f.

        The second is the mean product of the errors under two different turns, which has no bias however few turns.
        """
        if not self.variance:
            return math.nan, math.nan
        error = self.answers - guess
        total, turns = float(error.square().mean()), len(error)
        together = float(error.mean(dim=0).square().mean())
        systematic = (turns * together - total) / (turns - 1)
        return total / self.variance, systematic / self.variance


def _answers(subject: RegressionSubject, prompt: RegressionPrompt, turns: Sequence[SignedPermutation]) -> Tensor:
    """The model's answers to turned prompts, (turn batch query d_out), turned back, in float64."""
    return torch.stack([subject.predict(turn(prompt)) * turn.label.to(prompt.x) for turn in turns]).double()


def _named(candidate: Candidate) -> dict[str, Any]:
    steps = {"learner_step": candidate.steps} if candidate.steps else {}
    return {"learner": candidate.name, **steps}


def _distance(score: Score) -> float:
    """What ranks the candidates: the systematic part, or all of it for an asymmetric one; NaN is furthest."""
    found = score.systematic if score.candidate.equivariant else score.total
    return math.inf if math.isnan(found) else found


def _worst(values: Any) -> float:
    listed = list(values)
    return math.nan if any(math.isnan(value) for value in listed) else max(listed)
