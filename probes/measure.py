"""One probe on one subject and on its controls; every row is stamped with where it comes from."""

from collections.abc import Iterable, Iterator, Sequence
from typing import cast

import torch

from mesa.plugin_failure import naming_plugins
from mesa.rng import generator
from probes.controls.registry import CONTROLS, why_not_of_kind
from probes.hooks import DeadHook
from probes.probe import Probe, ProbeOf, Skipped
from probes.readings.reading import Reading, joined
from probes.registry import OF_PREDICTIONS, PROBES
from probes.subject import LanguageSubject, RegressionSubject, Subject
from tasks.prompt import RegressionPrompt, TokenPrompt
from tasks.readers.reader import Reader
from tasks.registry import READERS


def default_controls(probe: Probe, subject: Subject) -> tuple[str, ...]:
    """The controls that fit a probe and the subject's reader, else its kind of prompts.

    A probe without a row of its own gets those that fit a probe of predictions.
    """
    controls = PROBES[probe.name].controls if probe.name in PROBES else OF_PREDICTIONS
    return controls.get(_reader_name(subject.reader), controls.get(subject.kind, ()))


def measure(probe: Probe, subject: Subject) -> Reading | Skipped:
    """One reading, stamped; its randomness is a function of the subject's seed and the probe's name.

    A model and its controls are thus measured on the same prompts.
    """
    reason = _why_not_for_kind(probe, subject) or why_not_readable(subject)
    # From here on the probe is one of this kind of subjects, which its row says and its type cannot.
    fitting = cast("ProbeOf[Subject]", probe)
    with naming_plugins(_work(probe, subject, subject.control), "probe", probe.name):
        reason = reason or fitting.applies(subject)
        if reason is not None:
            return Skipped(probe.name, subject.control, reason)
        try:
            reading = fitting(subject, generator(subject.seed, f"probe/{probe.name}"))
        except DeadHook as error:
            # Nothing can be read there, and that is all that is wrong: other probes go on.
            return Skipped(probe.name, subject.control, str(error))
        if not isinstance(reading, Reading):
            raise TypeError(f"it must return a Reading, and returned {type(reading).__name__}")
    return reading.stamped(
        probe=probe.name, run=subject.run, seed=subject.seed, step=subject.step, control=subject.control
    )


def measure_with_controls(
    probe: Probe, subject: Subject, controls: Sequence[str] | None
) -> Iterator[Reading | Skipped]:
    """A probe on a subject, then on each of the controls; without names, on those that fit."""
    reading = measure(probe, subject)
    yield reading
    if _why_not_for_kind(probe, subject) is not None:
        # A question about another kind of model is a question about none of the controls: one line is enough.
        return
    if controls is None:
        if isinstance(reading, Skipped) and isinstance(subject, LanguageSubject):
            return
        controls = default_controls(probe, subject)
    for name in controls:
        with naming_plugins(_work(probe, subject, name), "control", name):
            control = CONTROLS[name](subject)
            if not isinstance(control, RegressionSubject | LanguageSubject | str):
                raise TypeError(
                    f"it must return a subject, or why there is none, and returned {type(control).__name__}"
                )
        if isinstance(control, str):
            yield Skipped(probe.name, name, control)
        else:
            yield measure(probe, control)


def probe_subjects(
    probes: Iterable[Probe], subjects: Sequence[Subject], controls: Sequence[str] | None = None
) -> tuple[Reading, list[Skipped]]:
    """Every probe on every subject and on its controls: all rows, and what did not apply.

    >>> from mesa.construction import gradient_step_model
    >>> from probes import GDAlignment, RegressionSubject
    >>> from tasks import LinearRegression, PairedReader
    >>> subject = RegressionSubject(gradient_step_model(0.6, d_in=10), PairedReader(), LinearRegression())
    >>> reading, skipped = probe_subjects([GDAlignment(prompts=200)], [subject])
    >>> reading.table.control.unique().tolist()
    ['none', 'untrained', 'shuffled_labels', 'constructed']
    """
    items = [
        item for probe in probes for subject in subjects for item in measure_with_controls(probe, subject, controls)
    ]
    readings = joined(item for item in items if isinstance(item, Reading))
    return readings, [item for item in items if isinstance(item, Skipped)]


def why_not_readable(subject: Subject) -> str | None:
    """None for a subject that answers its task's prompts, or in one line why it does not.

    Its weights must be finite, its task must draw prompts of its kind, and its model must take what its reader encodes.
    """
    for name, weight in () if subject.module is None else subject.module.named_parameters():
        if not bool(weight.isfinite().all()):
            return f"weights: {name} holds a number that is not finite"
    prompt = subject.task.sample(1, generator(subject.seed, "probes/readable"))
    fitting = TokenPrompt if isinstance(subject, LanguageSubject) else RegressionPrompt
    if not isinstance(prompt, fitting):
        return f"task: {type(subject.task).__name__} draws a {type(prompt).__name__}, the model reads {subject.kind}"
    try:
        # A model with dropout draws from the global random state, which a check must leave as it was.
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            inputs = subject.encode(prompt.to(subject.device, subject.dtype))
            if subject.module is not None:
                subject.decode(subject.output(inputs), inputs)
    # Anything may go wrong in a model that was brought along: it becomes one line instead of its traceback.
    except Exception as error:
        words = " ".join(str(error).split())[:200]
        return f"model: it cannot read a prompt of its task ({type(error).__name__}: {words})"
    return None


def _why_not_for_kind(probe: Probe, subject: Subject) -> str | None:
    return why_not_of_kind(PROBES[probe.name].subjects, subject) if probe.name in PROBES else None


def _work(probe: Probe, subject: Subject, control: str) -> str:
    run = f" of {subject.run}" if subject.run else ""
    return f"{probe.name} on seed {subject.seed}{run}, control {control}"


def _reader_name(reader: Reader) -> str:
    target = f"{type(reader).__module__}:{type(reader).__qualname__}"
    return next((name for name, row in READERS.items() if row.target == target), "")
