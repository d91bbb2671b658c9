"""One experiment end to end: what it trains, what it asks, what it claims, and what it shows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import pandas as pd

from analyses.claims.claim import Claim
from analyses.claims.verdict import Verdict
from analyses.evidence import Evidence
from analyses.plots.plot import Plot
from mesa.config.schema import RunConfig
from probes.plan import Plan

# An analysis needs these names; they are offered together.
__all__ = ["Analysis", "Evidence", "Plot", "Result", "Size", "Verdict", "judged", "sized", "with_training"]

# Training settings at size quick, by kind of prompts.
_QUICK: Mapping[str, Mapping[str, int]] = {
    "regression": {"steps": 200, "batch": 256, "held_out": 512, "evaluate_every": 20},
    "tokens": {"steps": 40, "batch": 16, "held_out": 64, "evaluate_every": 10, "checkpoints_per_decade": 4},
}


@dataclass(frozen=True)
class Size:
    """How much of the experiment is run, and with which seeds: `seeds` of them from `first_seed` on.

    `quick` is a smoke run that decides nothing, `full` the paper's size.
    """

    seeds: int = 5
    first_seed: int = 0
    quick: bool = False
    full: bool = False

    @property
    def name(self) -> str:
        """quick, default or full, as a report says it."""
        return "quick" if self.quick else "full" if self.full else "default"

    @property
    def seed_numbers(self) -> range:
        """The seeds themselves."""
        return range(self.first_seed, self.first_seed + self.seeds)


@runtime_checkable
class Analysis(Protocol):
    """An experiment; it states its claims before it measures.

    Law: `compared`, `plots` and the verdicts depend on the evidence alone. A report can thus be made again from its
    runs.
    """

    name: str
    title: str
    question: str
    # How many seeds a run of default or full size has.
    seeds: int
    # Rules and settings were chosen by looking at models of seeds 0 .. developed_on - 1. Those seeds confirm nothing.
    developed_on: int

    def runs(self, size: Size) -> dict[str, RunConfig]:
        """The runs to train, by name."""
        ...

    def plans(self, size: Size) -> dict[str, list[Plan]]:
        """The probes of each run, with their controls, by the run's name."""
        ...

    def claims(self) -> tuple[Claim, ...]:
        """What is claimed, with the rules."""
        ...

    def compared(self, evidence: Evidence) -> pd.DataFrame:
        """Rows about several checkpoints, seeds, controls or runs together, for rules that need them; may be empty.

        They have the columns of a reading. Their run, seed and control say to which subject a rule applies them.
        """
        ...

    def plots(self, evidence: Evidence, verdicts: Sequence[Verdict]) -> Iterable[Plot]:
        """The figures, in the order of the report."""
        ...


def judged(analysis: Analysis, evidence: Evidence) -> pd.DataFrame:
    """All rows that an analysis's rules are applied to: of the last checkpoints, the controls, and comparisons."""
    compared = analysis.compared(evidence)
    return pd.concat([evidence.last, compared], ignore_index=True) if len(compared) else evidence.last


@dataclass(frozen=True)
class Result:
    """An analysis that was carried out: its evidence and its verdicts."""

    analysis: Analysis
    size: Size
    evidence: Evidence
    verdicts: tuple[Verdict, ...]


def with_training(config: RunConfig, **training: object) -> RunConfig:
    """The same run with these training settings in place of its own.

    >>> with_training(RunConfig(), steps=3000).training.steps
    3000
    """
    return config.model_copy(update={"training": config.training.model_copy(update=training)})


def sized(config: RunConfig, size: Size, **full: int | float | str) -> RunConfig:
    """A run at this size; `full` gives the paper's training settings, used at size full.

    At size quick a model of regression is trained for a few hundred small steps, and a language model for a few dozen,
    in which it learns nothing.

    >>> config = sized(RunConfig(), Size(seeds=3, first_seed=100, full=True), steps=50_000)
    >>> config.training.steps, config.seeds, config.first_seed
    (50000, 3, 100)
    """
    settings = _QUICK[config.model.prompts] if size.quick else full if size.full else {}
    seeds = {"seeds": size.seeds, "first_seed": size.first_seed}
    return with_training(config, **settings).model_copy(update=seeds)
