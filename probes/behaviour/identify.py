"""Which learning algorithm is it? The learner that explains the predictions, in and out of distribution, or none."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from mesa.registry import CandidateSpace
from probes.behaviour.identification.candidates import Candidate, candidates
from probes.behaviour.identification.conditions import Condition, Setting, readable, settings
from probes.behaviour.identification.evidence import Evidence
from probes.behaviour.identification.fits import Fits
from probes.behaviour.identification.turns import SignedPermutation
from probes.behaviour.identification.unexplained import Unexplained, unexplained, unexplained_family
from probes.readings.reading import Reading
from probes.subject import RegressionSubject
from tasks.regression.linear_regression import LinearRegression

# Prompts that show whether a model's predictions differ at all.
_PROMPTS_COMPARED = 16
_LEAST_STEPS = 4


@dataclass(frozen=True)
class Identify:
    """Fit every learner to the model's predictions on some prompts; score it on others, shifted ones among them.

    f is the model and g a fitted learner, whose parameters stay as fitted under every condition. Each prompt is also
    turned: its coordinates are permuted or flipped. F is the mean of f over turns. An equivariant g gives turned
    prompts the same answer, so g and F are constant over turns and E (f - g)^2 = E (f - F)^2 + E (F - g)^2.

    `unexplained_variance`: E (f - g)^2, of every candidate in every condition; 0 where g is f. Its unit is Var f in
    distribution, or the condition's own where that is larger, so that noise is judged at one scale.
    `asymmetry`: E (f - F)^2 / Var f, what no equivariant learner can explain, such as noise in the weights.
    `unexplained_systematic`: E (F - g)^2 / Var f, which tells one equivariant learner from another.
    Inputs larger than in training, other numbers of examples, and labels of another scale lie beyond training. Under
    the first two both may diverge, and the unit is E s, s = (f^2 + g^2) / 2, each prompt weighted by
    1 / (Var f in distribution + s).
    `identified`: the row names the simplest candidate that suffices everywhere, or none; its value is the margin to the
    runner-up. `identified_in_distribution` stands in its place where no candidate suffices beyond training.
    `identified_either`: two rows in its place, where fewer than 95 % of resamples of the prompts give one answer.
    `certainty`: the share of resamples that give the first answer.
    `r_squared`: 1 - unexplained variance of the first answer in distribution.
    `per_example`: 1 where sums over examples are means times their number in training, which fits the model better.
    `parameter`: a fitted number of the first answer; the read-out is its name.
    `agrees`: a row for each candidate that suffices, the answer among them.
    `runner_up`: the row names the best candidate that does not suffice; its value is what it leaves unexplained.
    `not_compared`: a condition beyond training that the model cannot read (1), or the share of prompts for which it
    predicts no finite number there. An answer that predicts moderate numbers for them holds in distribution only.

    The bounds, and which candidate is preferred, stand in `probes.behaviour.identification.verdict`. Candidates try 1
    to `max_steps` steps: by default one more than the model has layers, and at least 4 for a model without layers.

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
    input_scales: tuple[float, ...] = (0.5, 0.75, 1.25, 2.0)
    label_scales: tuple[float, ...] = (0.5, 2.0)
    resamples: int = 200
    name: str = "identify"

    def __post_init__(self) -> None:
        if self.turns < 2:
            raise ValueError(f"turns: {self.turns} must be at least 2, to tell asymmetry from what is systematic")
        if self.prompts < 2:
            raise ValueError(f"prompts: {self.prompts} must be at least 2, or predictions have no variance")
        if self.max_steps is not None and self.max_steps < 1:
            raise ValueError(f"max_steps: {self.max_steps} must be at least 1, or None")
        if self.resamples < 0:
            raise ValueError(f"resamples: {self.resamples} must be at least 0")
        for name, scales in (("input_scales", self.input_scales), ("label_scales", self.label_scales)):
            if wrong := [scale for scale in scales if not (math.isfinite(scale) and scale > 0)]:
                raise ValueError(f"{name}: {wrong[0]} must be positive and finite")

    @RegressionSubject.needed_to_apply
    def applies(self, subject: RegressionSubject) -> str | None:
        """Linear regression only, which the learners learn, and no model that predicts the same for every prompt."""
        if not isinstance(subject.task, LinearRegression):
            return "the learners are those of linear regression, and they learn no other or shifted task"
        prediction = subject.predict(subject.prompts(_PROMPTS_COMPARED, torch.Generator().manual_seed(0)))
        if not bool(prediction.isfinite().all()):
            return "the model predicts a number that is not finite"
        rounding = 8 * torch.finfo(prediction.dtype).eps * prediction.abs().max()
        constant = bool(prediction.max() - prediction.min() <= rounding)
        return (
            "the model predicts the same for every prompt, so no learner can explain a variance" if constant else None
        )

    @RegressionSubject.needed_to_measure
    def __call__(self, subject: RegressionSubject, generator: torch.Generator) -> Reading:
        """Measure."""
        evidence = self.evidence(subject, generator)
        identity = evidence.identity(self.resamples, generator)
        return Reading.of({"readout": "prediction", **row} for row in [*evidence.rows(), *evidence.verdict(identity)])

    def evidence(self, subject: RegressionSubject, generator: torch.Generator) -> Evidence:
        """What every candidate that was fitted leaves unexplained, simplest first."""
        task = subject.task
        assert isinstance(task, LinearRegression)
        exchangeable = task.scales is None or len(set(task.scales)) == 1
        turns = [
            SignedPermutation.identity(self.prompts, task.d_in),
            *(SignedPermutation.draw(self.prompts, task.d_in, exchangeable, generator) for _ in range(self.turns - 1)),
        ]
        fits = Fits.of(subject, subject.prompts(self.prompts, generator), turns, task)
        conditions, unread, overflowing = self._conditions(subject, task, turns, generator)
        layers = 0 if subject.hooked is None else subject.n_layers
        # A module without layers that can be counted may take several steps.
        most = self.max_steps or (max(2, layers + 1) if layers else _LEAST_STEPS)
        space = CandidateSpace(task.d_in, most, self.max_steps or max(2, layers))
        listed = candidates(space, teachers=task.teachers is not None)
        cheap = [candidate for candidate in listed if not candidate.costly]
        evidence = Evidence(tuple(conditions), _scored(cheap, fits, conditions), tuple(unread), tuple(overflowing))
        if evidence.explained():
            return evidence
        costly = [candidate for candidate in listed if candidate.costly]
        return replace(evidence, listed=[*evidence.listed, *_scored(costly, fits, conditions)])

    def _conditions(
        self,
        subject: RegressionSubject,
        task: LinearRegression,
        turns: list[SignedPermutation],
        generator: torch.Generator,
    ) -> tuple[list[Condition], list[Setting], list[Condition]]:
        """The conditions to compare under; those it cannot read; and those where it predicts no finite number."""
        conditions, unread, overflowing = list[Condition](), list[Setting](), list[Condition]()
        for setting in settings(task, self.input_scales, self.label_scales):
            prompt = subject.prompts(self.prompts, generator, setting.task)
            if setting.beyond and not readable(subject, setting.task):
                unread.append(setting)
                continue
            unit = conditions[0].unit if conditions else None
            condition = Condition.of(setting, subject, prompt, turns, unit)
            # What diverges may overflow; then there is no error to measure.
            (overflowing if setting.beyond and not condition.is_finite else conditions).append(condition)
        return conditions, unread, overflowing


def _scored(listed: Sequence[Candidate], fits: Fits, conditions: Sequence[Condition]) -> list[Unexplained]:
    """What each candidate leaves unexplained, in the order of the candidates."""
    scored: dict[Candidate, Unexplained] = {}
    for candidate in listed:
        if candidate.free:
            scored[candidate] = unexplained(candidate, fits.fitted(candidate), conditions)
        elif candidate not in scored:
            # Nothing is fitted, so the path of the most steps holds those of all others.
            family = [each for each in listed if each.name == candidate.name]
            scored.update(
                (item.candidate, item) for item in unexplained_family(family, fits.fitted(family[-1]), conditions)
            )
    return [scored[candidate] for candidate in listed]
