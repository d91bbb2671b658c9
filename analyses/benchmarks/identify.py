"""`mesa bench identify`: does `identify` name planted learners, and does it name none for models that run none of them?

Each planted model is identified twice: with all candidates, and without its class, where the answer must be none. A
plant's class is every candidate whose best fit to the plant's own learner, without noise, agrees with it on this task
within the criterion's bound: so a learner takes with it all that contain it. The simplest of them is the expected
answer.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass
from functools import partial

import torch

from analyses.benchmarks.identify_jobs import Job, all_jobs
from mesa.rng import generator
from mesa.training.pool import pool
from mesa.training.runs import default_workers
from mesa.training.trainer import one_thread
from probes.behaviour.identify import Identify, Score, decide
from probes.controls.planted import Planted, last_step
from probes.subject import RegressionSubject
from tasks.predictor import RegressionPredictor
from tasks.readers.paired import PairedReader
from tasks.regression.linear_regression import LinearRegression

MOST_STEPS = 3


@dataclass(frozen=True)
class PlantAnswer:
    """A plant, its noise relative to each weight, what it should be called, and what it was called."""

    plant: str
    noise: float
    expected: str
    answer: str


def rows(workers: int | None = None, jobs: Sequence[Job] | None = None) -> Iterator[PlantAnswer]:
    """One row for every plant, noise and list of candidates, as they are done."""
    listed = tuple(jobs or all_jobs())
    with pool(workers or default_workers(), len(listed)) as active:
        for done in as_completed([active.submit(answers, job) for job in listed]):
            yield from done.result()


def answers(job: Job) -> list[PlantAnswer]:
    """All rows of one job."""
    with one_thread():
        task, source = job.task, partial(generator, 0, f"bench/{job.kind}/{job.setting}")
        tuning = task.sample(1000, source(0)).to(dtype=torch.float64)
        learner = job.learner(tuning)
        probe = Identify(max_steps=MOST_STEPS)
        kin = () if learner is None else _class(learner, task, probe)
        expected = f"{kin[0][0]} {kin[0][1]}".removesuffix(" 0") if kin else "none"
        named = []
        for index, noise in enumerate(job.noise):
            model = job.model(learner, noise, source(index + 1))
            subject = RegressionSubject(model, PairedReader(), task)
            scores, _ = probe.scores(subject, generator(index, "bench/identify"))
            plant = f"{job.kind}, {job.setting}"
            named.append(PlantAnswer(plant, noise, expected, _answer(scores)))
            if kin:
                others = [score for score in scores if (score.candidate.name, score.candidate.steps) not in kin]
                named.append(PlantAnswer(f"{plant}, class taken off", noise, "none", _answer(others)))
        return named


def summary(answered: Sequence[PlantAnswer]) -> str:
    """The confusion matrix, as lines: what was expected, how often it was given, and each answer that was not."""
    lines = ["expected: right answers; wrong ones"]
    for expected in dict.fromkeys(row.expected for row in answered):
        of_kind = [row for row in answered if row.expected == expected]
        wrong = [row for row in of_kind if row.answer != expected]
        lines.append(f"  {expected}: {len(of_kind) - len(wrong)} of {len(of_kind)}")
        counted = Counter((row.plant, row.answer) for row in wrong)
        lines += [f"    {plant}: {answer} ({count})" for (plant, answer), count in counted.items()]
    right = sum(row.expected == row.answer for row in answered)
    return "\n".join([*lines, f"right: {right} of {len(answered)}"])


def _answer(scores: Sequence[Score]) -> str:
    answer = decide(scores).answer
    return "none" if answer is None else f"{answer.name} {answer.steps}".removesuffix(" 0")


def _class(learner: RegressionPredictor, task: LinearRegression, probe: Identify) -> list[tuple[str, int]]:
    """Candidates, simplest first, that agree with an explicit learner, by fits of their own on other prompts.

    A learner that is not on the list may agree with one that is: three steps with momentum are a polynomial in S that
    two plain steps of distinct sizes reproduce. Then that is its name.
    """
    scores, _ = probe.scores(
        RegressionSubject(Planted(last_step(learner)), PairedReader(), task), generator(1, "bench/class")
    )
    return [(candidate.name, candidate.steps) for candidate in decide(scores).agreeing]
