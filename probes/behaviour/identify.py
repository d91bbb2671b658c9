"""Which learning algorithm is it? The learner that explains the predictions, in and out of distribution, or none."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from mesa.registry import CandidateSpace
from probes.behaviour.candidates import Candidate, SignedPermutation, candidates
from probes.readings.reading import Reading
from probes.subject import RegressionSubject
from tasks.prompt import RegressionPrompt
from tasks.regression.linear_regression import LinearRegression
from tasks.regression.shifts import InputScale, NoisyLabels
from tasks.task import Task

# Calibrated on planted models (`mesa bench identify`).
BOUND = 0.35
SYSTEMATIC = 0.005
# A preconditioned learner can itself be asymmetric, so asymmetry is no excuse for it: its total error must stay below
# this bound.
UNEVEN = 0.02
# Prompts that show whether a model's predictions differ at all.
_PROMPTS_COMPARED = 16


@dataclass(frozen=True)
class Score:
    """How much of the model's variance a fitted candidate leaves unexplained: the largest share of all conditions."""

    candidate: Candidate
    total: float
    systematic: float

    def suffices(self, bound: float, systematic: float) -> bool:
        """Whether it explains the model; NaN, of a fit that overflowed, never does."""
        return self.total <= (bound if self.candidate.equivariant else UNEVEN) and self.systematic <= systematic


@dataclass(frozen=True)
class Identity:
    """What a model was identified as: the simplest candidate that suffices, or None.

    `agreeing` are all that suffice. `runner_up` is the best of those that do not, and `margin` how much more systematic
    variance it leaves unexplained than the answer does.
    """

    answer: Candidate | None
    agreeing: tuple[Candidate, ...]
    runner_up: Candidate | None
    margin: float


def decide(scores: Sequence[Score], bound: float = BOUND, systematic: float = SYSTEMATIC) -> Identity:
    """Apply the criterion to scores, which come simplest first."""
    sufficient = [score for score in scores if score.suffices(bound, systematic)]
    insufficient = [score for score in scores if not score.suffices(bound, systematic)]
    runner_up = min(insufficient, key=_distance, default=None)
    best = sufficient[0] if sufficient else None
    margin = math.nan
    if runner_up is not None:
        margin = _distance(runner_up) - (_distance(best) if best else 0.0)
    agreeing = tuple(score.candidate for score in sufficient)
    return Identity(best.candidate if best else None, agreeing, runner_up.candidate if runner_up else None, margin)


@dataclass(frozen=True)
class Identify:
    """Fit every learner to the model's predictions on some prompts; score it on others, shifted ones among them.

    f is the model and g a fitted learner. Each prompt is also turned: its coordinates are permuted or flipped. F is the
    mean of f over turns. An equivariant g gives turned prompts the same answer, so g and F are constant over turns and
    E (f - g)^2 = E (f - F)^2 + E (F - g)^2.

    `unexplained_variance`: E (f - g)^2 / Var f, of every candidate in every condition; 0 where g is f.
    `asymmetry`: E (f - F)^2 / Var f, what no equivariant learner can explain, such as noise in the weights.
    `unexplained_systematic`: E (F - g)^2 / Var f, which tells one equivariant learner from another.
    `identified`: the row names the simplest candidate that suffices, or none; its value is the margin to the runner-up.
    `agrees`: a row for each candidate that suffices, the answer among them.
    `runner_up`: the row names the best candidate that does not suffice; its value is what it leaves unexplained.

    A candidate suffices when, in every condition, its unexplained variance stays below `bound` and the systematic part
    below `systematic`. Preconditioned GD need not be equivariant: its unexplained variance must stay below 0.02.

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

    @RegressionSubject.needed_to_apply
    def applies(self, subject: RegressionSubject) -> str | None:
        """Linear regression only, which the learners learn, and no model that predicts the same for every prompt."""
        if not isinstance(subject.task, LinearRegression):
            return "the learners are those of linear regression"
        prediction = subject.predict(subject.prompts(_PROMPTS_COMPARED, torch.Generator().manual_seed(0)))
        rounding = 8 * torch.finfo(prediction.dtype).eps * prediction.abs().max()
        constant = bool(prediction.max() - prediction.min() <= rounding)
        return (
            "the model predicts the same for every prompt, so no learner can explain a variance" if constant else None
        )

    @RegressionSubject.needed_to_measure
    def __call__(self, subject: RegressionSubject, generator: torch.Generator) -> Reading:
        """Measure."""
        scores, rows = self.scores(subject, generator)
        identity = decide(scores, self.bound, self.systematic)
        answer = {"learner": "none"} if identity.answer is None else _labels(identity.answer)
        rows.append({"metric": "identified", **answer, "value": identity.margin})
        rows += [{"metric": "agrees", **_labels(candidate), "value": 1.0} for candidate in identity.agreeing]
        if identity.runner_up is not None:
            runner_up = next(score for score in scores if score.candidate == identity.runner_up)
            rows.append({"metric": "runner_up", **_labels(identity.runner_up), "value": _distance(runner_up)})
        return Reading.of({"readout": "prediction", **row} for row in rows)

    def scores(
        self, subject: RegressionSubject, generator: torch.Generator
    ) -> tuple[list[Score], list[dict[str, object]]]:
        """The score of every candidate, simplest first, and the rows behind it."""
        task = subject.task
        assert isinstance(task, LinearRegression)
        exchangeable = task.scales is None or len(set(task.scales)) == 1
        turns = [SignedPermutation.draw(self.prompts, task.d_in, exchangeable, generator) for _ in range(self.turns)]
        tuning = subject.prompts(self.prompts, generator)
        in_double = tuning.to(dtype=torch.float64)
        # An equivariant learner can only be fitted to the mean over turns; another one to the predictions themselves.
        mean_over_turns = replace(in_double, target=_turned_back(subject, tuning, turns).mean(dim=0))
        as_predicted = replace(in_double, target=subject.predict(tuning).double())
        conditions = [
            _Condition.of(name, value, subject, subject.prompts(self.prompts, generator, shifted), turns)
            for name, value, shifted in self._conditions(task)
        ]
        rows: list[dict[str, object]] = [
            {"metric": "asymmetry", **condition.labels, "value": condition.asymmetry} for condition in conditions
        ]
        layers = subject.n_layers
        max_steps = self.max_steps or max(2, layers + 1)
        listed = candidates(CandidateSpace(task.d_in, max_steps, self.max_steps or max(2, layers)))
        scores, parameter_free = [], _ParameterFree(listed, mean_over_turns, conditions)
        for candidate in listed:
            if candidate.free:
                learner = candidate.fitted(mean_over_turns if candidate.equivariant else as_predicted)
                guesses = [learner.predict(condition.prompt)[-1] for condition in conditions]
            else:
                guesses = parameter_free.guesses(candidate)
            totals, systematic_parts = [], []
            for condition, guess in zip(conditions, guesses, strict=True):
                total, systematic = condition.unexplained(guess, candidate.equivariant)
                labels = {**_labels(candidate), **condition.labels}
                rows += [{"metric": "unexplained_variance", **labels, "value": total}]
                if candidate.equivariant:
                    rows += [{"metric": "unexplained_systematic", **labels, "value": systematic}]
                totals.append(total)
                systematic_parts.append(systematic)
            scores.append(Score(candidate, _worst(totals), _worst(systematic_parts)))
        return scores, rows

    def _conditions(self, task: LinearRegression) -> Iterator[tuple[str, float, Task]]:
        yield "in_distribution", 1.0, task
        for factor in self.input_scales:
            yield "input_scale", factor, InputScale(task, factor)
        noisy = max(task.context // 2, 1)
        yield "noisy_labels", float(noisy), NoisyLabels(task, noisy)


@dataclass(frozen=True, eq=False)
class _Condition:
    """Prompts of one condition, and the model's predictions for them, as they are and for every turn, turned back."""

    name: str
    value: float
    prompt: RegressionPrompt
    prediction: Tensor
    turned_back: Tensor
    variance: float

    @classmethod
    def of(
        cls,
        name: str,
        value: float,
        subject: RegressionSubject,
        prompt: RegressionPrompt,
        turns: Sequence[SignedPermutation],
    ) -> "_Condition":
        turned_back = _turned_back(subject, prompt, turns)
        prediction = subject.predict(prompt).double()
        return cls(name, value, prompt.to(dtype=torch.float64), prediction, turned_back, float(turned_back.var()))

    @property
    def labels(self) -> dict[str, object]:
        """The columns of a row that name the condition."""
        return {"condition": self.name, "condition_value": self.value}

    @property
    def asymmetry(self) -> float:
        """E (f - F)^2 / Var f, without bias: the variance over turns of each prediction."""
        return float(self.turned_back.var(dim=0).mean()) / self.variance if self.variance else math.nan

    def unexplained(self, guess: Tensor, equivariant: bool) -> tuple[float, float]:
        """E (f - g)^2 / Var f and E (F - g)^2 / Var f; for a learner that is not equivariant the second is 0.

        The second is the mean product of the errors under two different turns, which has no bias however few turns.
        The asymmetry of a learner that is not equivariant is no noise: it is compared with f on the prompts as they
        are.
        """
        if not equivariant:
            return (
                float((self.prediction - guess).square().mean()) / self.variance if self.variance else math.nan
            ), 0.0
        if not self.variance:
            return math.nan, math.nan
        error = self.turned_back - guess
        total, turns = float(error.square().mean()), len(error)
        together = float(error.mean(dim=0).square().mean())
        systematic = (turns * together - total) / (turns - 1)
        return total / self.variance, systematic / self.variance


class _ParameterFree:
    """The predictions of candidates without free parameters: one call with the most steps gives those of all steps."""

    def __init__(self, listed: Sequence[Candidate], prompt: RegressionPrompt, conditions: Sequence[_Condition]) -> None:
        # A later candidate of the same name has more steps.
        self._longest = {candidate.name: candidate for candidate in listed}
        self._prompt, self._conditions = prompt, conditions
        self._steps_by_name: dict[str, list[Tensor]] = {}

    def guesses(self, candidate: Candidate) -> list[Tensor]:
        """The candidate's predictions (batch query d_out) in each condition."""
        if candidate.name not in self._steps_by_name:
            learner = self._longest[candidate.name].fitted(self._prompt)
            self._steps_by_name[candidate.name] = [learner.predict(condition.prompt) for condition in self._conditions]
        return [steps[candidate.steps - 1] for steps in self._steps_by_name[candidate.name]]


def _turned_back(subject: RegressionSubject, prompt: RegressionPrompt, turns: Sequence[SignedPermutation]) -> Tensor:
    """The model's predictions for turned prompts, (turn batch query d_out), turned back, in float64."""
    return torch.stack([subject.predict(turn(prompt)) * turn.label.to(prompt.x) for turn in turns]).double()


def _labels(candidate: Candidate) -> dict[str, object]:
    steps = {"learner_step": candidate.steps} if candidate.steps else {}
    return {"learner": candidate.name, **steps}


def _distance(score: Score) -> float:
    """What ranks the candidates: the systematic part, or all of it for an asymmetric one; NaN is furthest."""
    unexplained = score.systematic if score.candidate.equivariant else score.total
    return math.inf if math.isnan(unexplained) else unexplained


def _worst(shares: Sequence[float]) -> float:
    """The largest share over conditions; NaN where one of them is."""
    return math.nan if any(math.isnan(share) for share in shares) else max(shares)
