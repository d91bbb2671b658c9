"""A claim's rule applied to the numbers of one subject or control: each seed meets it, breaks it or is undefined."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy import stats

from analyses.claims.bootstrap import Resampled, resampled
from analyses.claims.claim import Claim, Measure, Source


@dataclass(frozen=True)
class Outcome:
    """A claim's rule applied to one subject or control: a value for every measure and seed.

    `met` holds one entry per seed: True, False, or None where the values that are defined do not decide it. A number of
    the whole run is the value of each of its seeds; `of_run` has that number with its resamples over seeds.
    """

    values: dict[str, dict[int, float]]
    met: dict[int, bool | None]
    of_run: dict[str, Resampled] = field(default_factory=dict)

    def interval(self, label: str) -> tuple[float, float, float]:
        """The mean over seeds and 95 % t interval; for a number of the whole run the number and its bootstrap."""
        return self.of_run[label].interval if label in self.of_run else interval(self.values[label])

    @property
    def seeds_met(self) -> int:
        """How many seeds meet the rule."""
        return sum(met is True for met in self.met.values())

    @property
    def all_met(self) -> bool:
        """Whether there are seeds and all of them meet the rule."""
        return bool(self.met) and self.seeds_met == len(self.met)

    @property
    def all_broken(self) -> bool:
        """Whether there are seeds and all of them break the rule."""
        return bool(self.met) and all(met is False for met in self.met.values())

    @property
    def undefined_seeds(self) -> tuple[int, ...]:
        """The seeds for which the rule is not decided."""
        return tuple(seed for seed, met in self.met.items() if met is None)

    @property
    def undefined_measures(self) -> tuple[str, ...]:
        """Labels of the measures that have no value for some seed that is not decided."""
        undecided = self.undefined_seeds
        return tuple(
            label for label, values in self.values.items() if any(math.isnan(values[seed]) for seed in undecided)
        )

    @property
    def counted(self) -> str:
        """How many seeds meet the rule, in words."""
        if not self.met:
            return "not measured"
        undefined = len(self.undefined_seeds)
        return f"{self.seeds_met} of {len(self.met)}" + (f" ({undefined} undefined)" if undefined else "")


def apply(claim: Claim, rows: pd.DataFrame, source: Source) -> Outcome:
    """The rule on the rows of one subject: NaN where a number is missing or not defined.

    A seed that breaks one measure breaks the rule, whatever its other values are. A seed meets the rule only where all
    measures are defined.
    """
    of_source = rows[(rows["run"] == source.run) & (rows["control"] == source.control)]
    values: dict[str, dict[int, float]] = {measure.label: {} for measure in claim.measures}
    met: dict[int, bool | None] = {}
    of_run = {measure.label: resampled(measure.of, of_source) for measure in claim.measures if measure.per_run}
    for seed, group in of_source.groupby("seed"):
        number = int(str(seed))
        for measure in claim.measures:
            whole = of_run.get(measure.label)
            values[measure.label][number] = measure.of(group) if whole is None else whole.value
        each = [measure.met(values[measure.label][number]) for measure in claim.measures]
        met[number] = False if False in each else None if None in each else True
    return Outcome(values, met, of_run)


def undecided(claim: Claim, outcome: Outcome) -> list[str]:
    """Labels of the numbers of the whole run whose interval is not on one side of the bound."""
    bounds = {measure.label: measure.bound for measure in claim.measures}
    intervals = {label: whole.interval for label, whole in outcome.of_run.items()}
    return [label for label, (_, low, high) in intervals.items() if not (low > bounds[label] or high < bounds[label])]


def clearly_broken(measure: Measure, outcome: Outcome) -> bool:
    """Whether the mean over seeds breaks a bound and the 95 % t interval excludes the bound."""
    mean, low, high = outcome.interval(measure.label)
    if math.isnan(low) or measure.met(mean) is not False:
        return False
    return not (low <= measure.bound <= high)


def interval(values: Mapping[int, float] | np.ndarray) -> tuple[float, float, float]:
    """Mean over seeds and the 95 % t interval; NaN bounds for fewer than two, NaN where a value is.

    >>> [round(bound, 3) for bound in interval({0: 1.0, 1: 2.0, 2: 3.0})]
    [2.0, -0.484, 4.484]
    """
    array = np.array(list(values.values()) if isinstance(values, Mapping) else values, dtype=float)
    if not len(array) or np.isnan(array).any():
        return math.nan, math.nan, math.nan
    mean = float(array.sum()) / len(array) if np.isfinite(array).all() else _mean_with_infinities(array)
    if len(array) < 2 or not math.isfinite(mean):
        return mean, math.nan, math.nan
    half = float(stats.t.ppf(0.975, len(array) - 1) * array.std(ddof=1) / math.sqrt(len(array)))
    return mean, mean - half, mean + half


def _mean_with_infinities(array: np.ndarray) -> float:
    """The infinity of a mean that has one; NaN where both infinities occur."""
    infinities = set(array[np.isinf(array)].tolist())
    return infinities.pop() if len(infinities) == 1 else math.nan
