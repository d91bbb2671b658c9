"""Where a run keeps its readings: readings/<probe>/seed-<k>.parquet, and npz files with their arrays there too."""

from pathlib import Path

from mesa.errors import UserError
from mesa.storage.run import Run
from probes.readings.reading import Reading, joined, saved_origin
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
        reason = " ".join([f"has no readings; run `mesa probe {run.path}` first.", *left_out(run)])
        raise UserError(f"{run.path}: {reason}".removesuffix("."))
    for name in names:
        _check_settings(run, name)
    # What version 0.1 wrote is refused by `load`, in one line, unless the probe has been run again since.
    readings = [_load_seed(run, name, seed) for name in names for seed in _seeds(run, name)]
    readings += [Reading.load(run.path / READINGS, name) for name in names if not _seeds(run, name)]
    # A run that was renamed is not known to its rows.
    return joined(reading.stamped(run=run.name) for reading in readings)


def left_out(run: Run) -> list[str]:
    """A sentence for every probe whose readings lie in a run and that no loaded plugin has, nor this package."""
    sentences = []
    for folder in sorted((run.path / READINGS).glob("*")):
        seeds = [] if folder.name in PROBES else _seeds(run, folder.name)
        if seeds:
            plugin = saved_origin(folder, seed_stem(seeds[0])).get("plugin")
            reason = f"the probe is of the plugin {plugin}, which is not loaded" if plugin else "no probe has this name"
            sentences.append(f"Readings of {folder.name} are left out: {reason}.")
    return sentences


def _check_settings(run: Run, probe: str) -> None:
    """UserError where the seeds of a probe were measured in different ways: reports give means over seeds."""
    folder, seeds = folder_of(run, probe), _seeds(run, probe)
    origins = {seed: saved_origin(folder, seed_stem(seed)) for seed in seeds}
    for seed in seeds[1:]:
        first, other = origins[seeds[0]], origins[seed]
        for name in [name for name in {**first, **other} if first.get(name) != other.get(name)]:
            values = [str(origin.get(name, "not known"))[:60] for origin in (first, other)]
            rule = f"{name} is {values[0]} for seed {seeds[0]} and {values[1]} for seed {seed}"
            again = f"a mean over them would mean nothing; run `mesa probe {run.path} --probe {probe}` again"
            raise UserError(f"{folder}: was measured in two ways: {rule}; {again}")


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
