"""Controls for language models: heads made by hand that do a known thing, and a model that is shown another order."""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from mesa.construction.induction_head import induction_model
from mesa.construction.pair_step import pair_step_model
from mesa.models.language import TokenTransformer
from mesa.rng import generator
from probes.subject import Subject
from tasks.prompt import TokenPrompt
from tasks.readers.reader import Inputs, Reader

# One-hot channels for every id and position: more than this many are no small model any more.
_WIDEST = 2048
_ONLY = "for language models"


def constructed_induction(subject: Subject) -> Subject | str:
    """A previous-token head and an induction head made by hand: the mean of what followed the current token."""
    sizes = _sizes(subject)
    if isinstance(sizes, str):
        return sizes
    return _replaced(subject, induction_model(**sizes), "constructed_induction")


def constructed_pair_step(subject: Subject) -> Subject | str:
    """A previous-token head and a linear head made by hand: one gradient step on the pairs of the sequence."""
    sizes = _sizes(subject)
    if isinstance(sizes, str):
        return sizes
    return _replaced(subject, pair_step_model(1.0, **sizes), "constructed_pair_step")


def shuffled_tokens(subject: Subject) -> Subject | str:
    """The model sees the tokens between the first and the last in another order, a learner the clean prompt (negative).

    The order is one for all prompts. Which token a probe takes for read at a position is the clean prompt's.
    """
    if not subject.symbols:
        return _ONLY
    return replace(subject, reader=ShuffledTokensReader(subject.reader), control="shuffled_tokens")


@dataclass(frozen=True, eq=False)
class ShuffledTokensReader:
    """A reader that shows a language model what is read between the first and the last token in a random order."""

    base: Reader

    def encode(self, prompt: TokenPrompt) -> Inputs:
        """Permute what the model reads; what it is to predict stays."""
        inputs = self.base.encode(prompt)
        inner = inputs.values.shape[1] - 2
        if inner < 2:
            return inputs
        order = torch.randperm(inner, generator=generator(0, "control/shuffled_tokens")).to(inputs.values.device)
        values = inputs.values.clone()
        values[:, 1:-1] = inputs.values[:, 1:-1][:, order]
        return Inputs(values, inputs.queries)

    def decode(self, resid: Tensor, inputs: Inputs) -> Tensor:
        """As the base reader."""
        return self.base.decode(resid, inputs)

    def loss(self, prediction: Tensor, prompt: TokenPrompt) -> Tensor:
        """As the base reader."""
        return self.base.loss(prediction, prompt)


def _sizes(subject: Subject) -> dict[str, Any] | str:
    """What a construction for this subject's task needs, or why there is none."""
    if not subject.symbols:
        return _ONLY
    task, most = subject.task, getattr(getattr(subject.model, "cfg", None), "n_ctx", 0)
    d_vocab, n_ctx = getattr(task, "d_vocab", None), max(getattr(task, "n_ctx", 0), most)
    if d_vocab is None:
        return "its task does not say how many ids there are"
    if 3 * d_vocab + n_ctx > _WIDEST:
        return f"one-hot channels for {d_vocab} ids and {n_ctx} positions would be more than {_WIDEST}"
    bos = int(subject.prompts(1, generator(subject.seed, "control/constructed")).tokens[0, 0])
    return {"d_vocab": d_vocab, "n_ctx": n_ctx, "bos": bos, "dtype": next(subject.model.parameters()).dtype}


def _replaced(subject: Subject, model: TokenTransformer, name: str) -> Subject:
    place = next(subject.model.parameters()).device
    return replace(subject, model=model.to(place, print_details=False), control=name)
