"""The same model on teachers that it was not trained on."""

from dataclasses import replace

from probes.controls.constructed import constructed_preconditioned
from probes.subject import RegressionSubject
from tasks.regression.linear_regression import LinearRegression


def fresh_teachers(subject: RegressionSubject) -> RegressionSubject | str:
    """The same model on prompts of new teachers, where it was trained on a finite set of teachers or of prompts."""
    task = subject.task
    if not isinstance(task, LinearRegression) or task == task.fresh():
        return "its teachers are fresh already"
    return replace(subject, task=task.fresh(), control="fresh_teachers")


def constructed_preconditioned_fresh(subject: RegressionSubject) -> RegressionSubject | str:
    """The step that `constructed_preconditioned` fits to the finite set, on prompts of new teachers (explaining)."""
    fitted = constructed_preconditioned(subject)
    fresh = fitted if isinstance(fitted, str) else fresh_teachers(fitted)
    return fresh if isinstance(fresh, str) else replace(fresh, control="constructed_preconditioned_fresh")
