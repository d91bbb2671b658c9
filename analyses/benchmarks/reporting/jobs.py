"""All plants as jobs of `mesa bench identify`: calibration plants, then reporting plants."""

from collections.abc import Iterator

from analyses.benchmarks.described_jobs import calibration_jobs, fresh_jobs
from analyses.benchmarks.identify_jobs import all_jobs
from analyses.benchmarks.planted_model import PlantJob
from analyses.benchmarks.reporting.grid import reporting_plants


def jobs_of_both_sets() -> Iterator[PlantJob]:
    """Every plant: those of learners' rows and described ones for calibration, then all reporting plants."""
    yield from all_jobs()
    yield from calibration_jobs()
    yield from reporting_jobs()


def reporting_jobs() -> Iterator[PlantJob]:
    """Every plant on which no bound was set: those of the grid, then the fresh ones."""
    yield from reporting_plants()
    yield from fresh_jobs()
