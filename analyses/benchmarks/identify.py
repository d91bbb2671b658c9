"""`mesa bench identify`: does `identify` name planted learners, and does it name none for models that run none of them?

Each planted model is identified twice: with all candidates, and without its class, where the answer must be none. A
plant's class is every candidate whose best fit to the plant's own learner, without noise, agrees with it on this task
within the criterion's bound: so a learner takes with it all that contain it. The simplest of them is the expected
answer.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from mesa.config.schema import InContextConfig
from mesa.construction import gradient_step_model
from mesa.learners import GradientDescent, PreconditionedGradientDescent
from mesa.learners.descent.steps import typical_norm
from mesa.models.in_context import InContextTransformer
from mesa.registry import LEARNERS
from mesa.rng import generator
from mesa.training.pool import pool
from mesa.training.runs import default_workers
from mesa.training.trainer import Trainer, one_thread
from probes.behaviour.identify import Identify, decide
from probes.controls.planted import Planted, last_step, noisy, noisy_embedding, rotate_queries
from probes.subject import RegressionSubject
from tasks.predictor import RegressionPredictor
from tasks.prompt import RegressionPrompt
from tasks.readers.paired import PairedReader
from tasks.regression.linear_regression import LinearRegression

NOISE = (0.0, 0.01, 0.03, 0.1)
MOST_STEPS = 3
TASKS = {
    "d=10 N=10": LinearRegression(),
    "d=10 N=25": LinearRegression(context=25),
    "d=5 N=20 noise=.2": LinearRegression(d_in=5, context=20, label_noise=0.2),
    "d=5 N=4": LinearRegression(d_in=5, context=4),
}
# Plants whose settings are not given but fitted are costly, and so are impostors: they get these tasks only.
FITTED_ON = ("d=10 N=10", "d=5 N=20 noise=.2")
# Coordinates of unequal scale, which a preconditioner is for.
UNEVEN = LinearRegression(d_in=6, context=12, scales=(1.0, 1.0, 1.0, 0.25, 0.25, 0.25))


@dataclass(frozen=True)
class PlantAnswer:
    """A plant, its noise relative to each weight, what it should be called, and what it was called."""

    plant: str
    noise: float
    expected: str
    answer: str


@dataclass(frozen=True)
class Job:
    """One plant on one task at every level of noise."""

    kind: str
    setting: str
    noise: tuple[float, ...] = NOISE


def rows(workers: int | None = None, jobs: Sequence[Job] | None = None) -> Iterator[PlantAnswer]:
    """One row for every plant, noise and list of candidates, as they are done."""
    listed = tuple(jobs or all_jobs())
    with pool(workers or default_workers(), len(listed)) as active:
        for done in as_completed([active.submit(answers, job) for job in listed]):
            yield from done.result()


def all_jobs() -> Iterator[Job]:
    """Every plant of the learners' rows, and every impostor."""
    for name, row in LEARNERS.items():
        for steps, settings in row.plants.items():
            places = tuple(TASKS) if settings else FITTED_ON
            for place in places if row.equivariant else ("uneven",):
                yield Job(f"{name} {steps}".removesuffix(" 0"), place)
    for setting in FITTED_ON:
        yield from (Job(kind, setting, (0.0, 0.1)) for kind in (*_IMPOSTORS, *_OFF_LIST))


def answers(job: Job) -> list[PlantAnswer]:
    """All rows of one job."""
    with one_thread():
        task = UNEVEN if job.setting == "uneven" else TASKS[job.setting]
        source = partial(generator, 0, f"bench/{job.kind}/{job.setting}")
        tuning = task.sample(1000, source(0)).to(dtype=torch.float64)
        learner = _learner(job.kind, tuning)
        probe = Identify(max_steps=MOST_STEPS)
        explicit = last_step(learner) if learner else None
        if job.kind in _OFF_LIST:
            explicit = partial(_OFF_LIST[job.kind], tuning)
        kin = _class(explicit, task, probe) if explicit else ()
        expected = f"{kin[0][0]} {kin[0][1]}".removesuffix(" 0") if kin else "none"
        named = []
        for index, noise in enumerate(job.noise):
            model = _model(job.kind, learner, task, tuning, noise, source(index + 1))
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


def _answer(scores: Sequence[Any]) -> str:
    answer = decide(scores).answer
    return "none" if answer is None else f"{answer.name} {answer.steps}".removesuffix(" 0")


def _class(
    predict: Callable[[RegressionPrompt], Tensor], task: LinearRegression, probe: Identify
) -> list[tuple[str, int]]:
    """Candidates, simplest first, that agree with an explicit predictor, by fits of their own on other prompts.

    A learner that is not on the list may agree with one that is: three steps with momentum are a polynomial in S that
    two plain steps of distinct sizes reproduce. Then that is its name.
    """
    scores, _ = probe.scores(RegressionSubject(Planted(predict), PairedReader(), task), generator(1, "bench/class"))
    return [(candidate.name, candidate.steps) for candidate in decide(scores).agreeing]


def _learner(kind: str, tuning: RegressionPrompt) -> RegressionPredictor | None:
    """The explicit learner that a plant runs; None for an impostor."""
    if kind in _IMPOSTORS or kind in _OFF_LIST:
        return None
    name, _, steps = kind.partition(" ")
    row, count = LEARNERS[name], int(steps or 0)
    settings = row.plants.get(count)
    if not settings:
        return row.learner(max(count, 1)).fit(tuning)
    unit = 1.0 / typical_norm(tuning)
    scaled = {field: tuple(unit * value for value in values) for field, values in settings.items()}
    return row.predictor(count, **scaled)


def _model(
    kind: str,
    learner: RegressionPredictor | None,
    task: LinearRegression,
    tuning: RegressionPrompt,
    noise: float,
    source: torch.Generator,
) -> Any:
    """The model of a plant: weights where there is a construction, else the learner itself behind noisy inputs."""
    if kind in _IMPOSTORS:
        built = _IMPOSTORS[kind](task, source)
        return noisy(built, noise, source) if isinstance(built, InContextTransformer) else built
    if kind in _OFF_LIST:
        return Planted(partial(_OFF_LIST[kind], tuning), noisy_embedding(task.d_in, noise, source))
    if isinstance(learner, GradientDescent):
        tied = learner.shared and learner.steps > 1
        sizes, gammas = learner.step_sizes, learner.gammas
        built = gradient_step_model(sizes, d_in=task.d_in, steps=learner.steps, gamma=gammas, tied=tied)
        return noisy(built, noise, source)
    if isinstance(learner, PreconditionedGradientDescent):
        built = gradient_step_model(1.0, d_in=task.d_in, preconditioner=learner.preconditioner)
        return noisy(built, noise, source)
    assert learner is not None
    return Planted(last_step(learner), noisy_embedding(task.d_in, noise, source))


def _built(kind: str, task: LinearRegression) -> InContextTransformer:
    tuning = task.sample(1000, generator(2, "bench/tuning")).to(dtype=torch.float64)
    return _model(kind, _learner(kind, tuning), task, tuning, 0.0, torch.Generator())


def _untrained(layers: int, task: LinearRegression, source: torch.Generator) -> InContextTransformer:
    seed = int(torch.randint(1000, (1,), generator=source))
    # Far larger weights than at the start of training, so that what it computes is not nothing.
    config = InContextConfig(n_layers=layers, init_variance=0.5)
    return InContextTransformer(config, task.d_in + 1, seed=seed, dtype=torch.float64)


def _trained_on_shuffled(task: LinearRegression, source: torch.Generator) -> InContextTransformer:
    from dataclasses import asdict

    from mesa.config.schema import RunConfig, TrainingConfig
    from probes.controls.shuffled import ShuffledTask

    fields = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(task).items()}
    training = TrainingConfig(batch=256, learning_rate=1e-2, gradient_clip=None)
    trainer = Trainer(RunConfig(task={"name": "linear_regression", **fields}, training=training), seed=0)
    trainer.task = ShuffledTask(task)
    for step in range(1, 301):
        trainer.step(step)
    assert isinstance(trainer.model, InContextTransformer)
    return trainer.model


_IMPOSTORS = {
    "untrained, 1 layer": partial(_untrained, 1),
    "untrained, 2 layers": partial(_untrained, 2),
    "trained on shuffled labels": _trained_on_shuffled,
    "gd 1, queries rotated": lambda task, source: rotate_queries(_built("gd 1", task), source),
    "gd 2, queries rotated": lambda task, source: rotate_queries(_built("gd 2", task), source),
    "gd_plus_plus 2, queries rotated": lambda task, source: rotate_queries(_built("gd_plus_plus 2", task), source),
}


def _mixture(names: Sequence[str], tuning: RegressionPrompt, prompt: RegressionPrompt) -> Tensor:
    learners = [_learner(name, tuning) for name in names]
    return torch.stack([learner.predict(prompt)[-1] for learner in learners if learner]).mean(dim=0)


def _kernel_regression(tuning: RegressionPrompt, prompt: RegressionPrompt) -> Tensor:
    # Labels averaged with weights exp(x_q.x / |x|^2): one softmax head.
    scale = tuning.x.square().sum(dim=-1).mean()
    return torch.softmax(3.0 * prompt.query @ prompt.x.mT / scale, dim=-1) @ prompt.y


def _momentum(tuning: RegressionPrompt, prompt: RegressionPrompt) -> Tensor:
    # Heavy ball: complex roots, which no plain steps have.
    size, W, before = 0.8 / typical_norm(tuning), 0.0, 0.0
    for _ in range(3):
        gradient = prompt.x.mT @ (prompt.y - (prompt.x @ W if isinstance(W, Tensor) else 0.0))
        W, before = W + size * gradient + 0.8 * (W - before), W
    return prompt.query @ W


def _signs(tuning: RegressionPrompt, prompt: RegressionPrompt) -> Tensor:
    return prompt.query @ (prompt.x.mT @ prompt.y.sign()) / typical_norm(tuning)


def _lasso(tuning: RegressionPrompt, prompt: RegressionPrompt) -> Tensor:
    # Fifty steps of soft thresholding.
    size, W = 0.5 / typical_norm(tuning), torch.zeros_like(prompt.x.mT @ prompt.y)
    for _ in range(50):
        W = W + size * (prompt.x.mT @ (prompt.y - prompt.x @ W))
        W = W.sign() * (W.abs() - 0.05).clamp(min=0.0)
    return prompt.query @ W


def _latest(tuning: RegressionPrompt, prompt: RegressionPrompt) -> Tensor:
    # The least-norm fit to the last example alone.
    x, y = prompt.x[:, -1:], prompt.y[:, -1:]
    return prompt.query @ (x.mT @ y) / x.square().sum(dim=(1, 2), keepdim=True)


_OFF_LIST = {
    "mixture of gd 1 and least_squares": partial(_mixture, ("gd 1", "least_squares")),
    "mixture of gd 2 and nearest_neighbours": partial(_mixture, ("gd 2", "nearest_neighbours")),
    "mixture of newton 2 and ridge": partial(_mixture, ("newton 2", "ridge")),
    "kernel regression": _kernel_regression,
    "momentum 3": _momentum,
    "one step on the labels' signs": _signs,
    "lasso": _lasso,
    "the latest example": _latest,
}
