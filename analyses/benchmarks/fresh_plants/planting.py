"""Plants behind a noisy embedding: true ones from a learner, and impostors from a rule that comes near one."""

from analyses.benchmarks.described_plant import Build, DescribedPlant, Rule, from_rule
from probes.controls.planted import last_step
from tasks.predictor import RegressionPredictor
from tasks.regression.linear_regression import LinearRegression
from tasks.task import Task


def planted(
    kind: str,
    description: str,
    task: LinearRegression,
    learner: RegressionPredictor,
    noise: float = 0.0,
    also: tuple[str, ...] = (),
) -> DescribedPlant:
    """A true plant whose reference is the learner's last step.

    `noise` is the share of its length by which the embedding moves an input.

    >>> from mesa.learners import Ridge
    >>> planted("ridge", "ridge with a penalty of 1.", LinearRegression(d_in=2), Ridge(1.0)).kind
    'ridge'
    """
    rule = last_step(learner)
    return DescribedPlant(kind, f"{kind} {description}", task, from_rule(rule, task.d_in, noise), rule, also)


def defect(
    imitates: str,
    description: str,
    task: LinearRegression,
    rule: Rule,
    reference: Rule,
    departure: float,
    noise: float = 0.0,
) -> DescribedPlant:
    """An impostor whose rule differs from the imitated one on its own task by at least `departure`."""
    build, text = from_rule(rule, task.d_in, noise), f"none: {description}"
    return DescribedPlant("none", text, task, build, reference, (), imitates, task, departure)


def inside_only(
    imitates: str,
    description: str,
    task: LinearRegression,
    build: Build,
    reference: Rule,
    shift: Task,
    departure: float,
) -> DescribedPlant:
    """An impostor that agrees with the imitated rule on its task and differs on `shift` by at least `departure`."""
    answer = f"{imitates}, in distribution only"
    return DescribedPlant(
        "none", f"{answer}: {description}", task, build, reference, (answer,), imitates, shift, departure
    )
