"""What is to be probed of a run: which probe, at which checkpoints, with which controls and learners."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, cast

from mesa import build
from mesa.learners import TrainedModel
from mesa.rng import generator
from mesa.storage.run import Run, Which, checked, model_of
from probes.behaviour.agreement import SEARCHED, predictors
from probes.probe import Probe, Skipped
from probes.registry import PROBES
from probes.subject import LanguageSubject, RegressionSubject, Subject
from tasks.registry import READERS
from tasks.task import Task, TokenTask

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


@dataclass(frozen=True)
class Plan:
    """One probe: at which checkpoints of a run, and with which controls (None: those that fit) at the last one.

    With a `rival`, the name of a run in the same folder, the probe's only learner is that run's last model of the same
    seed, under the name `meta_learned`; with `other_seed`, of the run's next seed, after its last one the first. With
    `tune_once` its learners are tuned once for a seed, on prompts of their
    own, and serve all its checkpoints and controls: for learners whose tuning takes long.
    """

    probe: Probe
    checkpoint: Which = "last"
    controls: tuple[str, ...] | None = None
    rival: str | None = None
    other_seed: bool = False
    tune_once: bool = False


def probe_of(name: str, prompts: int | None = None) -> Probe:
    """The probe of this name; UserError, with the nearest name, where there is none.

    Its parameters are the defaults, except for the number of `prompts` where it has one.
    """
    make = cast("Callable[..., Probe]", PROBES[name].load())
    has_prompts = any(field.name == "prompts" for field in fields(cast("type[DataclassInstance]", make)))
    return make(**({} if prompts is None or not has_prompts else {"prompts": prompts}))


def subjects_of(run: Run, seed: int, which: Which) -> Iterator[Subject]:
    """The models of a seed's checkpoints, with the run's reader and task."""
    task, reader = build.task(run.config.task), build.reader(run.config)
    for step, path in run.select(seed, which).items():
        model = model_of(checked(path, run, seed))
        # The configuration's model, reader and task are of one kind; this was checked when it was made.
        if READERS[run.config.reader].prompts == "tokens":
            yield LanguageSubject(model, reader, cast("TokenTask", task), run.name, seed, step)
        else:
            yield RegressionSubject(model, reader, cast("Task", task), run.name, seed, step)


def with_learners(plan: Plan, run: Run, seed: int) -> Probe | Skipped:
    """The plan's probe for one seed, with the learners that the plan asks for.

    Raises UserError where the rival was not trained.
    """
    if plan.rival is None:
        return _fitted_once(plan.probe, run, seed) if plan.tune_once else plan.probe
    other = rival_run(plan.rival, run)
    theirs = rival_seed(plan, other, seed)
    if plan.other_seed and theirs == seed:
        return Skipped(plan.probe.name, f"{run.name} seed {seed}", f"{other.name} has no other seed")
    if other.outcome(theirs)["status"] == "diverged":
        return Skipped(plan.probe.name, f"{run.name} seed {seed}", f"the rival of this seed in {other.name} diverged")
    rival = TrainedModel(other.load(theirs), build.reader(other.config))
    # A Probe is a frozen dataclass; one without a field `rivals` has no use for a rival, and says so.
    return replace(plan.probe, learners=(), rivals=(rival,))  # pyright: ignore[reportArgumentType]


def rival_run(rival: str, run: Run) -> Run:
    """The run of this name in the folder of another."""
    return Run.open(run.path.parent / rival)


def rival_seed(plan: Plan, rival: Run, seed: int) -> int:
    """The seed of the rival that a plan compares a seed's models with."""
    seeds = list(rival.seeds)
    return seeds[(seeds.index(seed) + 1) % len(seeds)] if plan.other_seed else seed


def _fitted_once(probe: Probe, run: Run, seed: int) -> Probe:
    """The probe with its learners, fitted for the seed's last model, as rivals."""
    (subject,) = subjects_of(run, seed, "last")
    if not isinstance(subject, RegressionSubject):
        raise ValueError(f"tune_once: {probe.name} has no learners to tune on token sequences")
    # As for a rival: a Probe is a frozen dataclass, and one without a field `learners` says so here.
    name = "learners"
    # The prompts that constructed controls are tuned on, so that a construction performs the very learner that a model
    # is compared with. Two fits of a deep GD++ differ on rare prompts, which make up much of its loss.
    tuning = subject.prompts(SEARCHED, generator(seed, "control/constructed"))
    rivals = predictors(getattr(probe, name), (), subject, tuning)
    return replace(probe, learners=(), rivals=rivals)  # pyright: ignore[reportArgumentType]
