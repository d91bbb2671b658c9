"""Train the runs of an analysis, probe them, judge its claims, and write the report; finished work is kept."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from pathlib import Path

import pandas as pd

from analyses.claims.analysis import Analysis, Evidence, Result, Size, judged, undertrained
from analyses.claims.claim import Circumstances, Verdict, judge
from analyses.progress import Progress
from analyses.report.page import write
from mesa.storage.files import writable
from mesa.storage.run import Run
from mesa.training.pool import pool
from mesa.training.runs import train_all
from probes.probe import Skipped
from probes.readings.reading import Reading
from probes.runner import probe_runs


def reproduce(
    analysis: Analysis, out: Path, size: Size, *, workers: int = 1, executor: Executor | None = None, progress: Progress
) -> Result:
    """Carry out an analysis below `out` and write its report there; seeds that are trained already are kept."""
    writable(out)
    runs = {name: Run.create(out / "runs" / name, config) for name, config in analysis.runs(size).items()}
    plans = analysis.plans(size)
    # One pool for both, so that its processes load what they need once.
    with pool(workers, sum(len(run.seeds) for run in runs.values()), executor) as active:
        with progress.task("training", "steps") as report:
            train_all(list(runs.values()), executor=active, report=report)
        with progress.task("probing", "seeds") as report:
            reading, skipped = probe_runs(
                [(run, plans[name]) for name, run in runs.items()],
                executor=active,
                report=lambda done, total: report(done, total, 0, 0),
            )
    evidence = gather(runs, reading, skipped)
    result = Result(analysis, size, evidence, verdicts_of(analysis, evidence, size))
    with progress.task("report", "figures") as report:
        write(result, out, report)
    return result


def gather(runs: Mapping[str, Run], reading: Reading, skipped: Sequence[Skipped] = ()) -> Evidence:
    """Everything that claims and figures are made from: readings, learning curves, and how seeds ended."""
    curves, diverged, late = [], [], []
    for name, run in runs.items():
        for seed in run.seeds:
            metrics, outcome = run.metrics(seed), run.outcome(seed)
            if outcome["status"] == "diverged":
                diverged.append(f"{name} seed {seed} (step {outcome['step']})")
                continue
            curves += [{"run": name, "seed": seed, **row} for row in metrics]
            if undertrained([row["step"] for row in metrics], [row["held_out_loss"] for row in metrics]):
                late.append(f"{name} seed {seed}")
    columns = ["run", "seed", "step", "train_loss", "held_out_loss", "gradient_norm"]
    table = pd.DataFrame(curves, columns=columns).astype({"train_loss": float, "gradient_norm": float})
    return Evidence(dict(runs), reading.table, reading.arrays, table, tuple(skipped), tuple(diverged), tuple(late))


def verdicts_of(analysis: Analysis, evidence: Evidence, size: Size) -> tuple[Verdict, ...]:
    """The analysis's claims, judged."""
    given = Circumstances(size.quick, evidence.diverged, evidence.undertrained)
    rows = judged(analysis, evidence)
    return tuple(judge(claim, rows, given) for claim in analysis.claims())
