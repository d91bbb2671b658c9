"""What the prompts are: distributions of in-context problems, and how they are laid out as tokens."""

from typing import TYPE_CHECKING

from tasks.lazy import lazily

if TYPE_CHECKING:
    from tasks.linear_regression import LinearRegression
    from tasks.prompt import RegressionPrompt
    from tasks.reader import Inputs, PairedReader, Reader, half_squared_error
    from tasks.shifts import InputScale, NoisyLabels, OtherLaw, QueryScale, TeacherScale
    from tasks.sine import SineRegression
    from tasks.task import Task

__all__ = [
    "InputScale",
    "Inputs",
    "LinearRegression",
    "NoisyLabels",
    "OtherLaw",
    "PairedReader",
    "QueryScale",
    "Reader",
    "RegressionPrompt",
    "SineRegression",
    "Task",
    "TeacherScale",
    "half_squared_error",
]

_READER = ("Inputs", "PairedReader", "Reader", "half_squared_error")
_SHIFTS = ("InputScale", "NoisyLabels", "OtherLaw", "QueryScale", "TeacherScale")
_EXPORTS = {
    "LinearRegression": "tasks.linear_regression",
    "RegressionPrompt": "tasks.prompt",
    "SineRegression": "tasks.sine",
    "Task": "tasks.task",
    **dict.fromkeys(_READER, "tasks.reader"),
    **dict.fromkeys(_SHIFTS, "tasks.shifts"),
}
__getattr__ = lazily(__name__, _EXPORTS)
