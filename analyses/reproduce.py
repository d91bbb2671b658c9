"""Train the runs of an analysis, probe them, judge its claims, and write the report; finished work is kept."""

from concurrent.futures import Executor
from pathlib import Path

from analyses.claims.analysis import Analysis, Result, Size, judged
from analyses.claims.verdict import Circumstances, Verdict, judge
from analyses.evidence import Evidence, gather
from analyses.progress import Progress
from analyses.report.analysis_report import write
from mesa.storage.files import writable
from mesa.storage.run import Run
from mesa.training.pool import pool
from mesa.training.runs import train_all
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


def verdicts_of(analysis: Analysis, evidence: Evidence, size: Size) -> tuple[Verdict, ...]:
    """The analysis's claims, judged."""
    given = Circumstances(size.quick, evidence.diverged, evidence.undertrained)
    rows = judged(analysis, evidence)
    return tuple(judge(claim, rows, given) for claim in analysis.claims())
