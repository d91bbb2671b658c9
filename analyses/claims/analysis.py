"""One experiment end to end: what it trains, what it asks, what it claims, and what it shows."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analyses.claims.claim import Claim, Verdict
from mesa.config.schema import RunConfig
from mesa.storage.run import Run
from probes.arrays import ArrayKey
from probes.measure import Skipped
from probes.plan import Plan


@dataclass(frozen=True)
class Size:
    """How much of the experiment is run; `quick` is a smoke run that decides nothing, `full` the paper's size."""

    seeds: int = 5
    quick: bool = False
    full: bool = False

    @property
    def name(self) -> str:
        """quick, default or full, as a report says it."""
        return "quick" if self.quick else "full" if self.full else "default"


@dataclass(frozen=True)
class Evidence:
    """All that was measured: rows of readings, arrays, learning curves, and how the seeds ended."""

    runs: Mapping[str, Run]
    rows: pd.DataFrame
    arrays: Mapping[ArrayKey, np.ndarray]
    curves: pd.DataFrame
    skipped: Sequence[Skipped] = ()
    diverged: tuple[str, ...] = ()
    undertrained: tuple[str, ...] = ()

    @property
    def last(self) -> pd.DataFrame:
        """The rows of each seed's last checkpoint, and all rows of controls."""
        final = self.rows.groupby(["run", "seed"])["step"].transform("max")
        return self.rows[(self.rows["step"] == final) | (self.rows["control"] != "none")]


@dataclass(frozen=True)
class Plot:
    """A figure, its numbers, what to look at, and what would have spoken against the claims it belongs to."""

    name: str
    title: str
    look: str
    against: str
    draw: Callable[[], Figure]
    data: pd.DataFrame = field(repr=False)


@runtime_checkable
class Analysis(Protocol):
    """An experiment; it states its claims before it measures.

    Law: `plots` and the verdicts are functions of the evidence alone, so that a report can be made again from its runs.
    """

    name: str
    title: str
    question: str
    # How many seeds a run of default or full size has.
    seeds: int

    def runs(self, size: Size) -> dict[str, RunConfig]:
        """The runs to train, by name."""
        ...

    def plans(self, size: Size) -> dict[str, list[Plan]]:
        """What each run is asked."""
        ...

    def claims(self) -> tuple[Claim, ...]:
        """What is claimed, with the rules."""
        ...

    def plots(self, evidence: Evidence, verdicts: Sequence[Verdict]) -> Iterable[Plot]:
        """The figures, in the order of the report."""
        ...


@runtime_checkable
class Comparing(Protocol):
    """An analysis whose rules also need what no single subject shows: several checkpoints, seeds, controls or runs."""

    def compared(self, evidence: Evidence) -> pd.DataFrame:
        """More rows, in the columns of a reading, each with the run, seed and control that the rule is applied to."""
        ...


def judged(analysis: Analysis, evidence: Evidence) -> pd.DataFrame:
    """All rows that an analysis's rules are applied to: of the last checkpoints, the controls, and comparisons."""
    if not isinstance(analysis, Comparing):
        return evidence.last
    return pd.concat([evidence.last, analysis.compared(evidence)], ignore_index=True)


@dataclass(frozen=True)
class Result:
    """An analysis that was carried out: its evidence and its verdicts."""

    analysis: Analysis
    size: Size
    evidence: Evidence
    verdicts: tuple[Verdict, ...]


def undertrained(metrics: Sequence[Mapping[str, Any]], fall: float = 0.02) -> bool:
    """Whether the held-out loss still fell by more than `fall` of itself over the last tenth of training.

    >>> undertrained([{"step": step, "held_out_loss": 1.0 - 0.005 * step} for step in range(101)])
    True
    """
    if not metrics:
        return True
    final = metrics[-1]
    before = [row["held_out_loss"] for row in metrics if row["step"] <= 0.9 * final["step"]]
    return not before or before[-1] - final["held_out_loss"] > fall * before[-1]


def sized(config: RunConfig, size: Size, **full: Any) -> RunConfig:
    """A run at this size: `quick` is a few hundred small steps, `full` puts the paper's training settings in place.

    >>> sized(RunConfig(), Size(seeds=3, full=True), steps=50_000).training.steps
    50000
    """
    if size.quick:
        full = {"steps": 200, "batch": 256, "held_out": 512, "evaluate_every": 20}
    elif not size.full:
        full = {}
    training = config.training.model_copy(update=full)
    return config.model_copy(update={"seeds": size.seeds, "training": training})
