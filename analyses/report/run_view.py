"""A run as a report shows it."""

from collections.abc import Mapping
from dataclasses import dataclass

from analyses.report.schedule import departure, schedule
from mesa.config.yaml import dump
from mesa.storage.run import Run


@dataclass(frozen=True)
class RunView:
    """A run: its schedule and how the published one differs, its configuration as YAML, and how each seed ended."""

    name: str
    schedule: str
    departure: str
    config: str
    ends: tuple[Mapping[str, object], ...]


def run_view(name: str, run: Run) -> RunView:
    """A run as the page shows it."""
    ends = tuple({"seed": seed, **run.outcome(seed)} for seed in run.seeds)
    return RunView(name, schedule(run.config), departure(run.config), dump(run.config), ends)
