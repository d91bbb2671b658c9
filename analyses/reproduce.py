"""Train the runs of an analysis, probe them, judge its claims, and write the report; finished work is kept."""

from concurrent.futures import Executor
from pathlib import Path

from analyses.claims.analysis import Analysis, Result, Size
from analyses.evidence import gather
from analyses.judging import judgements_of, verdicts_of
from analyses.progress import Progress
from analyses.records.record import Record
from analyses.records.result_files import keep
from analyses.report.analysis_report import write
from mesa.storage.files import writable
from mesa.storage.run import Run
from mesa.training.pool import pool
from mesa.training.runs import train_all
from probes.runner import probe_runs


def reproduce(
    analysis: Analysis,
    out: Path,
    size: Size,
    *,
    record_in: Record | None = None,
    workers: int = 1,
    executor: Executor | None = None,
    progress: Progress,
) -> Result:
    """Carry out an analysis below `out` and write its report there; seeds that are trained already are kept.

    With `record_in`, and unless the size is quick, judgements are recorded there and the result is kept.
    """
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
    record_in = None if size.quick else record_in
    # Another rule may have been judged on these seeds while the models were trained.
    judgements = record_in.all_judgements() if record_in else None
    result = Result(analysis, size, evidence, verdicts_of(analysis, evidence, size, judgements))
    # Judgements are recorded before there is a report that somebody could look at.
    if record_in:
        record_in.add(judgements_of(result, record_in.rules))
    with progress.task("report", "figures") as report:
        write(result, out, report)
    if record_in:
        keep(result, record_in)
    return result
