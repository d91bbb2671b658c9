"""Controls for models of neighbouring tokens: one that copies and descends by hand, and one that is led astray."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from mesa.construction.interleaved_step import interleaved_step_model
from mesa.learners import GradientDescent
from mesa.rng import generator
from probes.subject import Subject
from tasks.prompt import RegressionPrompt
from tasks.readers.interleaved import InterleavedReader
from tasks.readers.reader import Inputs

# Prompts on which the step size is tuned; no probe is scored on them.
_TUNING = 10_000


def constructed_interleaved(subject: Subject) -> Subject | str:
    """Weights that copy and then perform one tuned gradient step, on neighbouring tokens with one-hot positions."""
    if not isinstance(getattr(subject.reader, "base", subject.reader), InterleavedReader):
        return "for neighbouring tokens"
    tuning = subject.prompts(_TUNING, generator(subject.seed, "control/constructed"))
    if tuning.y.shape[-1] > 1:
        return "the construction copies one label, and there are several"
    size = GradientDescent().fit(tuning).step_sizes[0]
    shape = {"d_in": tuning.x.shape[-1], "context": tuning.x.shape[1], "dtype": tuning.x.dtype}
    model = interleaved_step_model(size, **shape).to(tuning.x.device, print_details=False)
    reader = InterleavedReader(one_hot=True)
    return replace(subject, model=model, reader=reader, control="constructed_interleaved")


def reversed_positions(subject: Subject) -> Subject | str:
    """The model sees the places of the context's tokens in reverse order: inputs where it expects labels (negative)."""
    if not isinstance(subject.reader, InterleavedReader):
        return "for neighbouring tokens, which are told apart by their places"
    return replace(subject, reader=ReversedReader(subject.reader), control="reversed_positions")


@dataclass(frozen=True, eq=False)
class ReversedReader:
    """A reader of neighbouring tokens that shows the model the context's places in reverse order."""

    base: InterleavedReader

    def encode(self, prompt: RegressionPrompt) -> Inputs:
        """Lay out the prompts, then turn the position channels of the context around."""
        inputs = self.base.encode(prompt)
        width, count = self.base.content(prompt), inputs.values.shape[1] - inputs.queries
        content, places = inputs.values.split([width, inputs.values.shape[-1] - width], dim=-1)
        turned = torch.cat([places[:, :count].flip(1), places[:, count:]], dim=1)
        return Inputs(torch.cat([content, turned], dim=-1), inputs.queries)

    def decode(self, resid: Tensor, inputs: Inputs) -> Tensor:
        """As the base reader."""
        return self.base.decode(resid, inputs)

    def loss(self, prediction: Tensor, prompt: RegressionPrompt) -> Tensor:
        """As the base reader."""
        return self.base.loss(prediction, prompt)
