"""Where a run keeps its readings: readings/<probe>/seed-<k>.parquet, and npz files with their arrays there too."""

from pathlib import Path

from mesa.errors import UserError
from mesa.storage.run import Run
from probes.readings.reading import Reading, joined
from probes.registry import PROBES

# The folder of a run in which `mesa probe` and `mesa reproduce` keep readings.
READINGS = "readings"


def folder_of(run: Run, probe: str, folder: str = READINGS) -> Path:
    """The folder of a probe's readings; `folder` is the one below the run that holds those of all probes."""
    return run.path / folder / probe


def seed_stem(seed: int) -> str:
    """The name of the files of one seed, without their endings."""
    return f"seed-{seed}"


def stored_readings(run: Run) -> Reading:
    """Everything that probes have measured on a run, in the order of the registry, under the run's current name.

    Raises UserError where there is nothing, and, naming the file, where a reading is damaged, foreign or of another
    version.
    """
    names = [name for name in PROBES if _seeds(run, name) or _old(run, name).exists()]
    if not names:
        raise UserError(f"{run.path}: has no readings; run `mesa probe {run.path}` first")
    # What version 0.1 wrote is refused by `load`, in one line, unless the probe has been run again since.
    readings = [_load_seed(run, name, seed) for name in names for seed in _seeds(run, name)]
    readings += [Reading.load(run.path / READINGS, name) for name in names if not _seeds(run, name)]
    # A run that was renamed is not known to its rows.
    return joined(reading.stamped(run=run.name) for reading in readings)


def _load_seed(run: Run, probe: str, seed: int) -> Reading:
    """The reading of one seed; UserError where its rows are those of another probe or seed."""
    reading = Reading.load(folder_of(run, probe), seed_stem(seed))
    described = set(zip(reading.table["probe"], reading.table["seed"], strict=True))
    for other_probe, other_seed in described - {(probe, seed)}:
        path = folder_of(run, probe) / f"{seed_stem(seed)}.parquet"
        rule = f"holds readings of {other_probe}, seed {other_seed}, and lies elsewhere"
        raise UserError(f"{path}: {rule}; run `mesa probe` again")
    return reading


def _seeds(run: Run, probe: str) -> list[int]:
    return [seed for seed in run.seeds if (folder_of(run, probe) / f"{seed_stem(seed)}.parquet").exists()]


def _old(run: Run, probe: str) -> Path:
    return run.path / READINGS / f"{probe}.parquet"
