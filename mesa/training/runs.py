"""All seeds of runs, mapped through an executor; local processes, one thread each, unless another is passed in."""

import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path

from mesa.plugin import loaded
from mesa.storage.records import Outcome
from mesa.storage.run import Run
from mesa.training.pool import cores, end_children, pool, results, watch

# (steps done, steps in all, seeds done, seeds in all)
Report = Callable[[int, int, int, int], None]


def train(run: Run, *, workers: int = 1, executor: Executor | None = None, report: Report | None = None) -> None:
    """Train every unfinished seed of a run; see `train_all`."""
    train_all([run], workers=workers, executor=executor, report=report)


def train_all(
    runs: Sequence[Run], *, workers: int = 1, executor: Executor | None = None, report: Report | None = None
) -> None:
    """Train every unfinished seed of some runs, in parallel where `workers` > 1 or an `executor` is given.

    Raises, with everything saved, KeyboardInterrupt after SIGINT or SIGTERM, and UserError where a worker died or,
    after the other seeds, where one cannot be trained. A diverged seed raises nothing: see `Run.outcome`.
    """
    from mesa.training.seed import stop_on_signals

    work = [(run, seed) for run in runs for seed in run.unfinished()]
    if not work:
        return
    before = set(multiprocessing.active_children())
    with stop_on_signals() as stopped, pool(workers, len(work), executor) as active:
        local = isinstance(active, ThreadPoolExecutor)
        jobs = [active.submit(_job(run.path, seed, stopped, local)) for run, seed in work]

        def tick(pending: set[Future[Outcome]]) -> None:
            if report is not None:
                report(*_counts(runs))
            if stopped():
                # Workers that end break their pool, which then drops the waiting jobs. Cancelling a job as well would
                # kill the pool's own thread (CPython before 3.12), and the program would wait for it for ever.
                for job in () if isinstance(active, ProcessPoolExecutor) else pending:
                    job.cancel()
                end_children(before)

        watch(jobs, tick)
        interrupted = stopped()
    if interrupted:
        raise KeyboardInterrupt
    results(jobs, label=str(runs[0].path) if len(runs) == 1 else f"{len(runs)} runs")


def default_workers() -> int:
    """The number of cores that this process may use."""
    return cores()


def _job(path: Path, seed: int, stopped: Callable[[], bool], local: bool) -> Callable[[], Outcome]:
    from mesa.training.seed import train_seed, work

    return partial(train_seed, path, seed, stopped) if local else partial(work, path, seed, loaded())


def _counts(runs: Sequence[Run]) -> tuple[int, int, int, int]:
    """What a report is called with. Steps in all: those a seed took where it has finished, else the largest number."""
    steps = total = seeds = 0
    for run in runs:
        for seed in run.seeds:
            outcome = run.outcome(seed)
            steps += _last_step(run.seed_path(seed) / "metrics.jsonl")
            # A seed that trains until it has settled may finish early.
            total += outcome["step"] if outcome["status"] == "finished" else run.config.training.steps
            seeds += outcome["status"] in ("finished", "diverged")
    return steps, total, seeds, sum(len(run.seeds) for run in runs)


def _last_step(metrics: Path) -> int:
    if not metrics.exists():
        return 0
    with open(metrics, "rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - 512))
        rows = file.read().split(b"\n")[:-1]
    # The first field of a row is its step; only whole rows are looked at. Training itself refuses a damaged row.
    digits = rows[-1].partition(b":")[2].partition(b",")[0].strip() if rows else b""
    return int(digits) if digits.isdigit() else 0
