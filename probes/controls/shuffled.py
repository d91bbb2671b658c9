"""The same model on prompts whose labels, tokens or positions stand in another order."""

from dataclasses import dataclass, replace

import torch

from mesa.rng import generator
from probes.subject import LanguageSubject, RegressionSubject, View
from tasks.prompt import RegressionPrompt, TokenPrompt
from tasks.readers.interleaved import InterleavedReader
from tasks.readers.reader import Inputs
from tasks.task import Task


def shuffled_labels(subject: RegressionSubject) -> RegressionSubject | str:
    """The model sees context labels moved to other examples, a learner sees the clean prompt (negative)."""
    return replace(subject, view=replace(subject.view, prompt=shuffled), control="shuffled_labels")


def shuffled_labels_both(subject: RegressionSubject) -> RegressionSubject | str:
    """Model and learner see the same moved labels; this control can contradict no claim.

    A learner with its own parameters agrees with its construction. One that is fitted on these prompts does not: their
    labels are unrelated to the targets, so that its fitted step size is noise around 0, of either sign.
    """
    return replace(subject, task=ShuffledTask(subject.task), control="shuffled_labels_both")


def shuffled_tokens(subject: LanguageSubject) -> LanguageSubject | str:
    """The model sees the tokens between the first and the last that it reads in another order (negative).

    A learner sees the clean prompt. All prompts are shuffled by the same permutation. Scores that depend on the token
    at a position use the unshuffled prompt.
    """
    return replace(subject, view=replace(subject.view, prompt=_with_inner_tokens_shuffled), control="shuffled_tokens")


def reversed_positions(subject: RegressionSubject) -> RegressionSubject | str:
    """The model sees the positions of the context's tokens in reverse order (negative).

    An input token then has the position of a label.
    """
    if not isinstance(subject.reader, InterleavedReader):
        return "for interleaved tokens, which have position channels"
    if subject.module is None:
        return "a predictor sees no positions"
    view = View(subject.view.prompt, _PositionsReversed(subject.reader))
    return replace(subject, view=view, control="reversed_positions")


def shuffled(prompt: RegressionPrompt) -> RegressionPrompt:
    """Every label moved to the next example; examples are exchangeable, so any other derangement would do as well.

    >>> x = torch.zeros(1, 3, 2)
    >>> prompt = RegressionPrompt(x, torch.arange(3.0)[None, :, None], x[:, :1], torch.zeros(1, 1, 1))
    >>> shuffled(prompt).y.flatten().tolist()
    [2.0, 0.0, 1.0]
    """
    return replace(prompt, y=prompt.y.roll(1, dims=1))


@dataclass(frozen=True, eq=False)
class ShuffledTask:
    """A task whose prompts have shuffled labels; targets stay those of the teacher."""

    base: Task

    def sample(self, batch: int, generator: torch.Generator, queries: int = 1) -> RegressionPrompt:
        """Draw prompts and shuffle their labels."""
        return shuffled(self.base.sample(batch, generator, queries))

    def bayes_predictor(self) -> None:
        """Not known."""
        return


def _with_inner_tokens_shuffled(prompt: TokenPrompt) -> TokenPrompt:
    """The first and the last two tokens stay in place: the last one that the model reads, and its successor."""
    inner = prompt.tokens[:, 1:-2]
    if inner.shape[1] < 2:
        return prompt
    order = torch.randperm(inner.shape[1], generator=generator(0, "control/shuffled_tokens")).to(inner.device)
    return replace(prompt, tokens=torch.cat([prompt.tokens[:, :1], inner[:, order], prompt.tokens[:, -2:]], dim=1))


@dataclass(frozen=True)
class _PositionsReversed:
    """Reverses the order of the position channels of the context's tokens."""

    reader: InterleavedReader

    def __call__(self, inputs: Inputs) -> Inputs:
        context, width = inputs.values.shape[1] - inputs.queries, self.reader.position_channels(inputs)
        content, positions = inputs.values.split([inputs.values.shape[-1] - width, width], dim=-1)
        reversed_order = torch.cat([positions[:, :context].flip(1), positions[:, context:]], dim=1)
        return Inputs(torch.cat([content, reversed_order], dim=-1), inputs.queries)
