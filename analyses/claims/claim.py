"""A claim is stated before anything is measured: a sentence, where it comes from, and a rule that can be broken."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd
from scipy import stats

Status = Literal["holds", "fails", "inconclusive"]
Sense = Literal["at most", "at least", "below"]


@dataclass(frozen=True)
class Measure:
    """One number per seed and its bound; `of` computes the number from the rows of one seed of one subject.

    A number that is not defined is NaN, and does not meet the bound.
    """

    label: str
    sense: Sense
    bound: float
    of: Callable[[pd.DataFrame], float]
    # The value of a perfect subject. The score is 0 there and 1 at the bound.
    ideal: float = 0.0

    def met(self, value: float) -> bool:
        """Whether a value meets the bound; NaN never does."""
        if self.sense == "at least":
            return value >= self.bound
        return value < self.bound if self.sense == "below" else value <= self.bound

    def score(self, value: float) -> float:
        """The distance from `ideal` in units of the allowed distance: 0 is perfect, above 1 breaks the bound."""
        return (value - self.ideal) / (self.bound - self.ideal)


@dataclass(frozen=True)
class Source:
    """The rows that a rule is applied to: a run of the analysis, and one of its controls."""

    run: str
    control: str = "none"


def controls_of(run: str, *names: str) -> dict[str, Source]:
    """The rows of these controls of one run, by the controls' names.

    >>> controls_of("isotropic", "untrained")
    {'untrained': Source(run='isotropic', control='untrained')}
    """
    return {name: Source(run, name) for name in names}


@dataclass(frozen=True)
class Claim:
    """What is tested: the rows, the measures, and the controls on which the rule must be broken or met."""

    id: str
    sentence: str
    source: str
    rule: str
    measures: tuple[Measure, ...]
    subject: Source
    negative: Mapping[str, Source] = field(default_factory=dict)
    positive: Mapping[str, Source] = field(default_factory=dict)
    # Controls that are shown with the verdict to explain it, and do not enter it.
    explaining: Mapping[str, Source] = field(default_factory=dict)
    # Runs other than the subject's that the measures use, in rows that compare several runs.
    beside: tuple[str, ...] = ()
    # What "holds" means in words; empty where the sentence says it.
    answer: str = ""
    # What was changed in the rule after numbers of such models were known, and why; empty: nothing.
    amended: str = ""


@dataclass(frozen=True)
class Outcome:
    """A claim's rule applied to one subject or control: a value for every measure and seed."""

    values: dict[str, dict[int, float]]
    met: dict[int, bool]

    @property
    def seeds_met(self) -> int:
        """How many seeds meet the rule."""
        return sum(self.met.values())

    @property
    def all_met(self) -> bool:
        """Whether there are seeds and all of them meet the rule."""
        return bool(self.met) and all(self.met.values())


@dataclass(frozen=True)
class Verdict:
    """A claim's status, why, and the numbers behind it."""

    claim: Claim
    status: Status
    reason: str
    outcome: Outcome
    controls: dict[str, Outcome]


@dataclass(frozen=True)
class Circumstances:
    """What limits every verdict: a smoke run, seeds that diverged, seeds that were still learning."""

    quick: bool = False
    diverged: tuple[str, ...] = ()
    undertrained: tuple[str, ...] = ()


def apply(claim: Claim, rows: pd.DataFrame, source: Source) -> Outcome:
    """The rule on the rows of one subject: NaN where a number is missing or not defined."""
    of_source = rows[(rows["run"] == source.run) & (rows["control"] == source.control)]
    values: dict[str, dict[int, float]] = {measure.label: {} for measure in claim.measures}
    met: dict[int, bool] = {}
    for seed, group in of_source.groupby("seed"):
        number = int(str(seed))
        for measure in claim.measures:
            values[measure.label][number] = measure.of(group)
        met[number] = all(measure.met(values[measure.label][number]) for measure in claim.measures)
    return Outcome(values, met)


def judge(claim: Claim, rows: pd.DataFrame, given: Circumstances) -> Verdict:
    """Apply a claim's rule to the model and to every control, and say what follows.

    Holds: every seed meets the rule, no seed of any negative control does, and every positive control does. Fails: no
    seed meets it, or the mean over seeds breaks a bound and the 95 % t interval excludes the bound. Inconclusive
    otherwise, and: in a quick run, with one seed, with a diverged seed, with no negative control; and, where the rule
    is broken, for a run whose loss was still falling.
    """
    outcome = apply(claim, rows, claim.subject)
    sources = {**claim.negative, **claim.positive, **claim.explaining}
    controls = {name: apply(claim, rows, source) for name, source in sources.items()}
    if not outcome.met:
        status, reason = "inconclusive", "nothing was measured"
    elif outcome.all_met:
        status, reason = _where_met(claim, outcome, controls, given)
    else:
        status, reason = _where_broken(claim, outcome, given)
    return Verdict(claim, status, reason, outcome, controls)


def _where_met(
    claim: Claim, outcome: Outcome, controls: Mapping[str, Outcome], given: Circumstances
) -> tuple[Status, str]:
    """Status and reason where every seed meets the rule."""
    counted = _counted(outcome)
    if given.quick:
        return "inconclusive", f"{counted}, but a quick run decides nothing"
    if met := [name for name in claim.negative if controls[name].seeds_met]:
        return "inconclusive", f"{counted}, but so do controls that should not: {', '.join(met)}"
    if broken := [name for name in claim.positive if not controls[name].all_met]:
        return "inconclusive", f"{counted}, but the positive control does not: {', '.join(broken)}"
    if not any(controls[name].met for name in claim.negative):
        return "inconclusive", f"{counted}, but no control could have contradicted it"
    if diverged := _of_runs(claim, given.diverged):
        return "inconclusive", f"{counted}, but these diverged: {', '.join(diverged)}"
    if len(outcome.met) < 2:
        return "inconclusive", f"{counted}; one seed has no interval"
    return "holds", f"{counted}, and every negative control breaks it"


def _where_broken(claim: Claim, outcome: Outcome, given: Circumstances) -> tuple[Status, str]:
    """Status and reason where some seed breaks the rule."""
    counted = _counted(outcome)
    if undertrained := _of_runs(claim, given.undertrained):
        return "inconclusive", f"{counted}; the loss was still falling in {', '.join(undertrained)}"
    broken = [measure.label for measure in claim.measures if _clearly_broken(measure, outcome)]
    if (outcome.seeds_met == 0 or broken) and not given.quick:
        return "fails", counted + (f"; mean and interval break: {', '.join(broken)}" if broken else "")
    return "inconclusive", counted + ("; a quick run decides nothing" if given.quick else "")


def _counted(outcome: Outcome) -> str:
    """How many seeds meet the rule, and which do not where some do."""
    broken = [str(seed) for seed, met in outcome.met.items() if not met]
    counted = f"{outcome.seeds_met} of {len(outcome.met)} seeds meet the rule"
    return counted + (f" (not seed {', '.join(broken)})" if 0 < outcome.seeds_met < len(outcome.met) else "")


def _of_runs(claim: Claim, seeds: Sequence[str]) -> list[str]:
    """Those of some named seeds that belong to a run which the claim looks at."""
    runs = tuple(f"{run} " for run in (claim.subject.run, *claim.beside))
    return [name for name in seeds if name.startswith(runs)]


def interval(values: Mapping[int, float] | np.ndarray) -> tuple[float, float, float]:
    """Mean over seeds and the 95 % t interval; NaN bounds for fewer than two, NaN where a value is.

    >>> [round(bound, 3) for bound in interval({0: 1.0, 1: 2.0, 2: 3.0})]
    [2.0, -0.484, 4.484]
    """
    array = np.array(list(values.values()) if isinstance(values, Mapping) else values, dtype=float)
    if not len(array) or np.isnan(array).any():
        return math.nan, math.nan, math.nan
    mean = float(array.mean())
    if len(array) < 2:
        return mean, math.nan, math.nan
    half = float(stats.t.ppf(0.975, len(array) - 1) * array.std(ddof=1) / math.sqrt(len(array)))
    return mean, mean - half, mean + half


def _clearly_broken(measure: Measure, outcome: Outcome) -> bool:
    mean, low, high = interval(outcome.values[measure.label])
    if math.isnan(mean) or measure.met(mean) or math.isnan(low):
        return False
    return not (low <= measure.bound <= high)
