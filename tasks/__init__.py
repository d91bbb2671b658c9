"""What the prompts are: distributions of in-context problems, and how they are laid out as tokens."""

from typing import TYPE_CHECKING

from tasks.lazy import lazily

if TYPE_CHECKING:
    from tasks.prompt import Prompt, RegressionPrompt, TokenPrompt
    from tasks.readers.interleaved import InterleavedReader
    from tasks.readers.next_token import NextTokenReader, token_losses
    from tasks.readers.paired import PairedReader
    from tasks.readers.reader import Inputs, Reader, half_squared_error
    from tasks.regression.linear_regression import LinearRegression
    from tasks.regression.shifts import InputScale, NoisyLabels, QueryScale, RescaledInputs, TeacherScale
    from tasks.regression.sine import SineRegression
    from tasks.regression.sparse_linear_regression import SparseLinearRegression
    from tasks.sequences.associative_recall import AssociativeRecall
    from tasks.sequences.distinct_tokens import DistinctTokens
    from tasks.sequences.markov_chain import MarkovChain
    from tasks.sequences.repeated_tokens import RepeatedTokens
    from tasks.task import Task, TokenTask

__all__ = [
    "AssociativeRecall",
    "DistinctTokens",
    "InputScale",
    "Inputs",
    "InterleavedReader",
    "LinearRegression",
    "MarkovChain",
    "NextTokenReader",
    "NoisyLabels",
    "PairedReader",
    "Prompt",
    "QueryScale",
    "Reader",
    "RegressionPrompt",
    "RepeatedTokens",
    "RescaledInputs",
    "SineRegression",
    "SparseLinearRegression",
    "Task",
    "TeacherScale",
    "TokenPrompt",
    "TokenTask",
    "half_squared_error",
    "token_losses",
]

_READER = ("Inputs", "Reader", "half_squared_error")
_SHIFTS = ("InputScale", "NoisyLabels", "RescaledInputs", "QueryScale", "TeacherScale")
_EXPORTS = {
    "AssociativeRecall": "tasks.sequences.associative_recall",
    "DistinctTokens": "tasks.sequences.distinct_tokens",
    "LinearRegression": "tasks.regression.linear_regression",
    "MarkovChain": "tasks.sequences.markov_chain",
    "InterleavedReader": "tasks.readers.interleaved",
    "RepeatedTokens": "tasks.sequences.repeated_tokens",
    "SineRegression": "tasks.regression.sine",
    "SparseLinearRegression": "tasks.regression.sparse_linear_regression",
    **dict.fromkeys(("Prompt", "RegressionPrompt", "TokenPrompt"), "tasks.prompt"),
    **dict.fromkeys(("NextTokenReader", "token_losses"), "tasks.readers.next_token"),
    **dict.fromkeys(("Task", "TokenTask"), "tasks.task"),
    "PairedReader": "tasks.readers.paired",
    **dict.fromkeys(_READER, "tasks.readers.reader"),
    **dict.fromkeys(_SHIFTS, "tasks.regression.shifts"),
}
__getattr__ = lazily(__name__, _EXPORTS)
