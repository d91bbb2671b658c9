"""All reporting plants as jobs of `mesa bench identify`: those of the grid, then the fresh ones."""

from collections.abc import Iterator

from analyses.benchmarks.described_jobs import fresh_jobs
from analyses.benchmarks.planted_model import PlantJob
from analyses.benchmarks.reporting.grid import reporting_plants


def reporting_jobs() -> Iterator[PlantJob]:
    """Every plant on which no bound was set."""
    yield from reporting_plants()
    yield from fresh_jobs()
