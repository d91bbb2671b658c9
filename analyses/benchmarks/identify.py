"""`mesa bench identify`: does `identify` name planted learners, and does it name none for models that run none of them?

The bounds of `identify` are calibrated on one set of plants and reported on another one, of other seeds, dimensions and
kinds (`analyses.benchmarks.reporting`), a third of them by an author who has not read `identify`. Each calibration
plant of a learner's row is identified twice: with all candidates, and without its class, where the answer must be none.
A class is every candidate that explains the plant without noise in training's range.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass

from analyses.benchmarks.identify_jobs import Job
from analyses.benchmarks.planted_model import PlantJob
from analyses.benchmarks.reporting.jobs import jobs_of_both_sets
from analyses.benchmarks.reporting.scoring import Scored, table
from mesa.rng import generator
from mesa.training.pool import pool
from mesa.training.runs import default_workers
from mesa.training.trainer import one_thread
from probes.behaviour.identification.candidates import Candidate
from probes.behaviour.identify import Identify
from probes.subject import RegressionSubject
from tasks.readers.paired import PairedReader

SETS = {
    "calibration": "calibration plants, on which the bounds were set",
    "reporting": "reporting plants, on which no bound was set",
}


@dataclass(frozen=True)
class PlantAnswer:
    """A plant of a set, what it should be called, and what it was called: one answer, or "A or B"."""

    plants: str
    plant: str
    expected: str
    answer: str
    also: tuple[str, ...] = ()

    @property
    def scored(self) -> Scored:
        """The answer as the scoring takes it."""
        return Scored(self.plant, self.expected, tuple(self.answer.split(" or ")), self.also)


def rows(workers: int | None = None, jobs: Sequence[PlantJob] | None = None) -> Iterator[PlantAnswer]:
    """One row for every plant and list of candidates, as they are done."""
    listed = tuple(jobs or jobs_of_both_sets())
    with pool(workers or default_workers(), len(listed)) as active:
        for done in as_completed([active.submit(answers, job) for job in listed]):
            yield from done.result()


def answers(job: PlantJob) -> list[PlantAnswer]:
    """All rows of one job."""
    probe, source = Identify(), generator(0, "bench/identify")
    rows: list[PlantAnswer] = []
    class_of_plant: tuple[Candidate, ...] | None = None
    with one_thread():
        for planted in job.models():
            evidence = probe.evidence(
                RegressionSubject(planted.model, PairedReader(planted.task.d_out), planted.task), source
            )
            identity = evidence.identity(probe.resamples, source)
            answer = " or ".join(str(answer) for answer in identity.answers)
            rows.append(PlantAnswer(job.plants, planted.plant, planted.expected, answer, planted.also))
            if not isinstance(job, Job) or planted.expected == "none":
                continue
            class_of_plant = evidence.explaining() if class_of_plant is None else class_of_plant
            rest = evidence.without(class_of_plant).identity(0, source)
            answer = " or ".join(str(answer) for answer in rest.answers)
            rows.append(PlantAnswer(job.plants, f"{planted.plant}, class taken off", "none", answer))
    return rows


def summary(answered: Sequence[PlantAnswer]) -> str:
    """For each set of plants, the share right of each kind, every wrong answer, and which goals are met."""
    lines = []
    for name, about in SETS.items():
        scored = [row.scored for row in answered if row.plants == name]
        if scored:
            lines += [about, *table(scored)]
    return "\n".join(lines)
