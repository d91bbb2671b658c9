"""Many probes over many subjects and their controls; every row is stamped with where it comes from."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, cast

from mesa import build
from mesa.learners import TrainedModel
from mesa.rng import generator
from mesa.storage.run import Run, Which, checked, model_of
from mesa.training.pool import pool, results
from mesa.training.trainer import one_thread
from probes.behaviour.agreement import SEARCHED, predictors
from probes.hooks import DeadHook
from probes.probe import Probe, ProbeOf
from probes.reading import Reading, joined
from probes.registry import CONTROLS, OF_PREDICTIONS, PROBES, why_not_of_kind
from probes.stored import folder_of, seed_stem
from probes.subject import LanguageSubject, RegressionSubject, Subject
from tasks.readers.reader import Reader
from tasks.registry import READERS


@dataclass(frozen=True)
class Plan:
    """One probe: at which checkpoints of a run, and beside which controls (None: those that fit) at the last one.

    With a `rival`, the name of a run beside this one, the probe's only learner is that run's last model of the same
    seed, under the name `meta_learned`. With `tune_once` its learners are tuned once for a seed, on prompts of their
    own, and serve all its checkpoints and controls: for learners whose tuning takes long.
    """

    probe: Probe
    checkpoint: Which = "last"
    controls: tuple[str, ...] | None = None
    rival: str | None = None
    tune_once: bool = False


@dataclass(frozen=True)
class Skipped:
    """A probe or control that does not apply to a subject, and why, in one line."""

    probe: str
    subject: str
    reason: str


def probe_of(name: str, prompts: int | None = None) -> Probe:
    """The probe of this name; UserError, with the nearest name, where there is none.

    Its parameters are the defaults, but for the number of `prompts` where it has one.
    """
    make = cast("Callable[..., Probe]", PROBES[name].load())
    has_prompts = any(field.name == "prompts" for field in fields(cast("Any", make)))
    return make(**({} if prompts is None or not has_prompts else {"prompts": prompts}))


def default_controls(probe: Probe, subject: Subject) -> tuple[str, ...]:
    """The controls that fit a probe and the subject's reader, else its kind of prompts.

    A probe without a row of its own gets those that fit a probe of predictions.
    """
    controls = PROBES[probe.name].controls if probe.name in PROBES else OF_PREDICTIONS
    return controls.get(_reader_name(subject.reader), controls.get(subject.kind, ()))


def _reader_name(reader: Reader) -> str:
    target = f"{type(reader).__module__}:{type(reader).__qualname__}"
    return next((name for name, row in READERS.items() if row.target == target), "")


def measure(probe: Probe, subject: Subject) -> Reading | Skipped:
    """One reading, stamped; its randomness is a function of the subject's seed and the probe's name.

    A model and its controls are thus measured on the same prompts.
    """
    reason = why_not_of_kind(PROBES[probe.name], subject) if probe.name in PROBES else None
    # From here on the probe is one of this kind of subjects, which its row says and its type cannot.
    fitting = cast("ProbeOf[Subject]", probe)
    reason = reason or fitting.applies(subject)
    if reason is not None:
        return Skipped(probe.name, subject.control, reason)
    try:
        reading = fitting(subject, generator(subject.seed, f"probe/{probe.name}"))
    except DeadHook as error:
        # Nothing can be read there, and that is all that is wrong: other probes go on.
        return Skipped(probe.name, subject.control, str(error))
    return reading.stamped(
        probe=probe.name, run=subject.run, seed=subject.seed, step=subject.step, control=subject.control
    )


def probe_subjects(
    probes: Iterable[Probe], subjects: Sequence[Subject], controls: Sequence[str] | None = None
) -> tuple[Reading, list[Skipped]]:
    """Every probe on every subject and on its controls: all rows, and what did not apply.

    >>> from mesa.construction import gradient_step_model
    >>> from probes import GDAlignment
    >>> from tasks import LinearRegression, PairedReader
    >>> subject = RegressionSubject(gradient_step_model(0.6, d_in=10), PairedReader(), LinearRegression())
    >>> reading, skipped = probe_subjects([GDAlignment(prompts=200)], [subject])
    >>> reading.table.control.unique().tolist()
    ['none', 'untrained', 'shuffled_labels', 'constructed']
    """
    found = [item for probe in probes for subject in subjects for item in _with_controls(probe, subject, controls)]
    readings = joined(item for item in found if isinstance(item, Reading))
    return readings, [item for item in found if isinstance(item, Skipped)]


def probe_runs(
    asked: Sequence[tuple[Run, Sequence[Plan]]],
    *,
    workers: int = 1,
    executor: Executor | None = None,
    report: Callable[[int, int], None] | None = None,
) -> tuple[Reading, list[Skipped]]:
    """Put plans to every seed of some runs that did not diverge; each run's readings are saved in it too.

    The unit of work is a seed. Raises DamagedCheckpoint where a checkpoint is not what was saved.
    """
    work = [
        (run, seed, tuple(plans))
        for run, plans in asked
        for seed in run.seeds
        if run.outcome(seed)["status"] != "diverged"
    ]
    with pool(workers, len(work), executor) as active:
        parts = results([active.submit(_seed, run.path, seed, plans) for run, seed, plans in work], report)
    readings = []
    for run, plans in asked:
        mine = [(seed, found) for (owner, seed, _), (found, _) in zip(work, parts, strict=True) if owner is run]
        for plan in plans:
            for seed, found in mine:
                found[plan.probe.name].save(folder_of(run, plan.probe.name), seed_stem(seed))
            readings.append(joined(found[plan.probe.name] for _, found in mine))
    skipped = [item for _, items in parts for item in items]
    return joined(readings), list(dict.fromkeys(skipped))


def subjects_of(run: Run, seed: int, which: Which) -> Iterator[Subject]:
    """The models of a seed's checkpoints, with the run's reader and task."""
    task, reader = build.task(run.config.task), build.reader(run.config)
    for step, path in run.select(seed, which).items():
        make = LanguageSubject if READERS[run.config.reader].prompts == "tokens" else RegressionSubject
        yield make(model_of(checked(path, run, seed)), reader, task, run.name, seed, step)


def _seed(path: Path, seed: int, plans: tuple[Plan, ...]) -> tuple[dict[str, Reading], list[Skipped]]:
    run, found, skipped = Run.open(path), {}, []
    with one_thread():
        for plan in plans:
            readings, probe = [], _facing(plan, run, seed)
            if isinstance(probe, Skipped):
                skipped.append(probe)
                found[plan.probe.name] = joined(())
                continue
            for subject in subjects_of(run, seed, plan.checkpoint):
                last = subject.step == max(run.checkpoints(seed)) or plan.checkpoint != "all"
                items = list(_with_controls(probe, subject, plan.controls if last else ()))
                readings += [item for item in items if isinstance(item, Reading)]
                skipped += [item for item in items if isinstance(item, Skipped)]
            found[plan.probe.name] = joined(readings)
    return found, skipped


def _facing(plan: Plan, run: Run, seed: int) -> Probe | Skipped:
    """The plan's probe, beside the rival where there is one; UserError where that was not trained."""
    if plan.rival is None:
        return _fitted_once(plan.probe, run, seed) if plan.tune_once else plan.probe
    other = Run.open(run.path.parent / plan.rival)
    if other.outcome(seed)["status"] == "diverged":
        return Skipped(plan.probe.name, f"{run.name} seed {seed}", f"the rival of this seed in {other.name} diverged")
    rival = TrainedModel(other.load(seed), build.reader(other.config))
    # A Probe is a frozen dataclass; one without a field `rivals` has no use for a rival, and says so.
    return replace(plan.probe, learners=(), rivals=(rival,))  # pyright: ignore[reportArgumentType]


def _fitted_once(probe: Probe, run: Run, seed: int) -> Probe:
    """The probe with its learners, fitted for the seed's last model, as rivals."""
    (subject,) = subjects_of(run, seed, "last")
    if not isinstance(subject, RegressionSubject):
        raise ValueError(f"tune_once: {probe.name} has no learners to tune on token sequences")
    # As for a rival: a Probe is a frozen dataclass, and one without a field `learners` says so here.
    name = "learners"
    tuning = subject.prompts(SEARCHED, generator(seed, "learners"))
    rivals = predictors(getattr(probe, name), (), subject, tuning)
    return replace(probe, learners=(), rivals=rivals)  # pyright: ignore[reportArgumentType]


def _with_controls(probe: Probe, subject: Subject, controls: Sequence[str] | None) -> Iterator[Reading | Skipped]:
    measured = measure(probe, subject)
    yield measured
    if probe.name in PROBES and why_not_of_kind(PROBES[probe.name], subject) is not None:
        # A question about another kind of model is a question about none of the controls: one line is enough.
        return
    if controls is None:
        if isinstance(measured, Skipped) and isinstance(subject, LanguageSubject):
            return
        controls = default_controls(probe, subject)
    for name in controls:
        control = CONTROLS[name](subject)
        if isinstance(control, str):
            yield Skipped(probe.name, name, control)
        else:
            yield measure(probe, control)
