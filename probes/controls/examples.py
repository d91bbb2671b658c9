"""Small subjects with a known answer, on which every probe is tried."""

from mesa.construction.gradient_step import gradient_step_model
from mesa.construction.induction_head import induction_model
from mesa.construction.interleaved_step import interleaved_step_model
from mesa.construction.pair_step import pair_step_model
from probes.subject import LanguageSubject, RegressionSubject
from tasks.readers.interleaved import InterleavedReader
from tasks.readers.next_token import NextTokenReader
from tasks.readers.paired import PairedReader
from tasks.regression.linear_regression import LinearRegression
from tasks.sequences.markov_chain import MarkovChain
from tasks.sequences.repeated_tokens import RepeatedTokens


def gradient_step() -> RegressionSubject:
    """One layer whose weights perform one step of gradient descent."""
    return RegressionSubject(gradient_step_model(0.6, d_in=3), PairedReader(), LinearRegression(d_in=3))


def two_heads() -> RegressionSubject:
    """One layer whose first head performs one step of gradient descent; the second head writes nothing."""
    return RegressionSubject(gradient_step_model(0.6, d_in=3, n_heads=2), PairedReader(), LinearRegression(d_in=3))


def two_steps() -> RegressionSubject:
    """Two layers whose weights perform two steps of GD++."""
    model = gradient_step_model(0.3, d_in=3, steps=2, gamma=0.2)
    return RegressionSubject(model, PairedReader(), LinearRegression(d_in=3))


def line() -> RegressionSubject:
    """One step of gradient descent on inputs of one number."""
    return RegressionSubject(gradient_step_model(0.6, d_in=1), PairedReader(), LinearRegression(d_in=1))


def interleaved_step() -> RegressionSubject:
    """Two layers on interleaved tokens: the first copies labels, the second performs one step of gradient descent."""
    model, task = interleaved_step_model(0.6, d_in=4, context=3), LinearRegression(d_in=4, context=3)
    return RegressionSubject(model, InterleavedReader(one_hot=True), task)


def induction() -> LanguageSubject:
    """A previous-token head and an induction head on repeated tokens."""
    task = RepeatedTokens(vocabulary=8, length=21, shortest=4, longest=6)
    return LanguageSubject(induction_model(9, 21, bos=8), NextTokenReader(), task)


def pair_step() -> LanguageSubject:
    """A previous-token head and a linear head that perform one gradient step on the pairs of a Markov chain."""
    model = pair_step_model(0.5, d_vocab=5, n_ctx=20, bos=4)
    return LanguageSubject(model, NextTokenReader(), MarkovChain(length=20))
