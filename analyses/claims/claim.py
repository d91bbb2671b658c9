"""A claim is stated before anything is measured: a sentence, where it comes from, and a rule that can be broken."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import pandas as pd

Sense = Literal["at most", "at least", "below"]


@dataclass(frozen=True)
class Measure:
    """One number per seed and its bound; `of` computes the number from the rows of one seed of one subject.

    NaN is a number that is not defined: it neither meets nor breaks the bound. What never happened is infinite.
    """

    label: str
    sense: Sense
    bound: float
    of: Callable[[pd.DataFrame], float]
    # The value of a perfect subject. The score is 0 there and 1 at the bound.
    ideal: float = 0.0
    # One number of a run: `of` takes the rows of all its seeds together, and the interval is a bootstrap over seeds.
    per_run: bool = False

    def met(self, value: float) -> bool | None:
        """Whether a value meets the bound; None for NaN.

        >>> accuracy = Measure("accuracy", "at least", 0.9, lambda rows: 1.0)
        >>> accuracy.met(0.95), accuracy.met(0.5), accuracy.met(math.nan)
        (True, False, None)
        """
        if math.isnan(value):
            return None
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
    """What is tested: the rows, the measures, and the controls on which the rule must be broken or met.

    Both `negative` and `near_miss` must break the rule. A near miss is a trained or constructed model that is close to
    what is claimed and is not it, such as gradient descent where GD++ is claimed. An untrained model is none.
    """

    id: str
    sentence: str
    source: str
    rule: str
    measures: tuple[Measure, ...]
    subject: Source
    near_miss: Mapping[str, Source] = field(default_factory=dict)
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

    @property
    def contradicting(self) -> dict[str, Source]:
        """All controls that must break the rule."""
        return {**self.near_miss, **self.negative}

    @property
    def controls(self) -> dict[str, Source]:
        """All controls, by name."""
        return {**self.contradicting, **self.positive, **self.explaining}
