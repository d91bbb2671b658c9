"""What the prompts are: distributions of in-context problems, and how they are laid out as tokens."""

from typing import TYPE_CHECKING

from tasks.lazy import lazily

if TYPE_CHECKING:
    from tasks.associative_recall import AssociativeRecall
    from tasks.linear_regression import LinearRegression
    from tasks.markov_chain import MarkovChain
    from tasks.neighbouring import NeighbouringReader
    from tasks.prompt import Prompt, RegressionPrompt, TokenPrompt
    from tasks.reader import Inputs, PairedReader, Reader, half_squared_error
    from tasks.repeated_tokens import RepeatedTokens
    from tasks.shifts import InputScale, NoisyLabels, OtherLaw, QueryScale, TeacherScale
    from tasks.sine import SineRegression
    from tasks.symbols import SymbolsReader, token_losses
    from tasks.task import Task, TokenTask

__all__ = [
    "AssociativeRecall",
    "InputScale",
    "Inputs",
    "LinearRegression",
    "MarkovChain",
    "NeighbouringReader",
    "NoisyLabels",
    "OtherLaw",
    "PairedReader",
    "Prompt",
    "QueryScale",
    "Reader",
    "RegressionPrompt",
    "RepeatedTokens",
    "SineRegression",
    "SymbolsReader",
    "Task",
    "TeacherScale",
    "TokenPrompt",
    "TokenTask",
    "half_squared_error",
    "token_losses",
]

_READER = ("Inputs", "PairedReader", "Reader", "half_squared_error")
_SHIFTS = ("InputScale", "NoisyLabels", "OtherLaw", "QueryScale", "TeacherScale")
_EXPORTS = {
    "AssociativeRecall": "tasks.associative_recall",
    "LinearRegression": "tasks.linear_regression",
    "MarkovChain": "tasks.markov_chain",
    "NeighbouringReader": "tasks.neighbouring",
    "RepeatedTokens": "tasks.repeated_tokens",
    "SineRegression": "tasks.sine",
    **dict.fromkeys(("Prompt", "RegressionPrompt", "TokenPrompt"), "tasks.prompt"),
    **dict.fromkeys(("SymbolsReader", "token_losses"), "tasks.symbols"),
    **dict.fromkeys(("Task", "TokenTask"), "tasks.task"),
    **dict.fromkeys(_READER, "tasks.reader"),
    **dict.fromkeys(_SHIFTS, "tasks.shifts"),
}
__getattr__ = lazily(__name__, _EXPORTS)
