"""Many probes over the seeds of many runs; each reading is saved as soon as it is complete."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from pathlib import Path

from mesa.plugin import load_all, loaded
from mesa.plugin_failure import naming_plugins
from mesa.storage.files import prove_writable
from mesa.storage.run import Run, checked
from mesa.training.pool import pool, results
from mesa.training.trainer import one_thread
from probes.measure import measure_with_controls
from probes.plan import Plan, subjects_of, with_learners
from probes.probe import Skipped
from probes.readings.reading import Reading, joined, saved_notes, saved_recipe
from probes.readings.recipe import origin_of, recipe_of
from probes.readings.stored import READINGS, folder_of, seed_stem

# Bytes that must be free for readings; they are small.
_ROOM = 4 * 2**20

SeedReadings = tuple[list[Reading], list[Skipped]]


def probe_runs(
    planned: Sequence[tuple[Run, Sequence[Plan]]],
    *,
    workers: int = 1,
    executor: Executor | None = None,
    folder: str = READINGS,
    report: Callable[[int, int], None] | None = None,
) -> tuple[Reading, list[Skipped]]:
    """Carry out plans on every seed of some runs that did not diverge.

    The unit of work is a seed. Each probe's reading of a seed is saved in the run's `folder` as soon as it is
    complete; a reading that is there already, made by the same recipe, is not made again. A reading made by another
    recipe is replaced. After an interruption the same call goes on.
    Raises UserError for a run that cannot be written to, and DamagedCheckpoint for a checkpoint that is not as it was
    saved.
    """
    for run, _ in planned:
        prove_writable(run.path / folder, _ROOM)
    work = [
        (run, seed, tuple(plans))
        for run, plans in planned
        for seed in run.seeds
        if run.outcome(seed)["status"] != "diverged"
    ]
    if executor is None and min(workers, len(work)) <= 1:
        # Here, not in a thread: an interruption then ends the work at once.
        finished = []
        for run, seed, plans in work:
            finished.append(_probe_seed(run.path, seed, plans, folder))
            if report is not None:
                report(len(finished), len(work))
    else:
        with pool(workers, len(work), executor) as active:
            jobs = [active.submit(_probe_seed, run.path, seed, plans, folder, loaded()) for run, seed, plans in work]
            finished = results(jobs, report)
    readings = []
    for run, plans in planned:
        by_seed = [of_seed for (owner, _, _), (of_seed, _) in zip(work, finished, strict=True) if owner is run]
        readings += [joined(of_seed[index] for of_seed in by_seed) for index in range(len(plans))]
    skipped = [item for _, items in finished for item in items]
    return joined(readings), list(dict.fromkeys(skipped))


def _probe_seed(
    path: Path, seed: int, plans: tuple[Plan, ...], folder: str, plugins: Sequence[str] = ()
) -> SeedReadings:
    """The readings of one seed, plan by plan, and what did not apply; a worker process loads the plugins first."""
    load_all(plugins)
    run, readings, skipped = Run.open(path), [], []
    # In a worker process nothing but the exception itself would be left of the frames that tell whose code failed.
    with one_thread(), naming_plugins(f"{path}: seed {seed}"):
        for plan in plans:
            reading, reasons = _carried_out(plan, run, seed, folder)
            readings.append(reading)
            skipped += reasons
    return readings, skipped


def _carried_out(plan: Plan, run: Run, seed: int, parent: str) -> tuple[Reading, list[Skipped]]:
    """A plan's reading of one seed: the stored one where its recipe is the same, else a new one, which is saved."""
    folder, stem = folder_of(run, plan.probe.name, parent), seed_stem(seed)
    recipe = recipe_of(plan, run, seed)
    if recipe and saved_recipe(folder, stem) == recipe:
        _check_weights(plan, run, seed)
        # A run that was renamed is not known to its rows.
        reading = Reading.load(folder, stem).stamped(run=run.name)
        return reading, [Skipped(*note) for note in saved_notes(folder, stem)]
    items: list[Reading | Skipped] = []
    probe = with_learners(plan, run, seed)
    if isinstance(probe, Skipped):
        items.append(probe)
    else:
        for subject in subjects_of(run, seed, plan.checkpoint):
            last = subject.step == max(run.checkpoints(seed)) or plan.checkpoint != "all"
            items += measure_with_controls(probe, subject, plan.controls if last else ())
    reading = joined(item for item in items if isinstance(item, Reading))
    skipped = [item for item in items if isinstance(item, Skipped)]
    notes = [(item.probe, item.subject, item.reason) for item in skipped]
    reading.save(folder, stem, recipe, notes, origin_of(plan))
    return reading, skipped


def _check_weights(plan: Plan, run: Run, seed: int) -> None:
    """DamagedCheckpoint where a model that a plan measures is not as it was saved: a recipe knows the manifests alone.

    Controls may be measured on the checkpoint of step 0.
    """
    selected = run.select(seed, plan.checkpoint)
    for path in {**{step: path for step, path in run.checkpoints(seed).items() if step == 0}, **selected}.values():
        checked(path, run, seed)
