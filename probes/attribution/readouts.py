"""Scalars that a model's behaviour is read as, one number a prompt: what attribution attributes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor

from probes.attribution.registry import READOUTS
from probes.subject import LanguageSubject, Subject
from tasks.prompt import Prompt, RegressionPrompt, TokenPrompt


@dataclass(frozen=True)
class Readout:
    """A name, and what is measured of each kind of prompts that it reads.

    `measure` takes predictions (*variant batch query d_out) or logits (*variant batch pos d_vocab) and the prompts, and
    gives (*variant batch). `unit`, of the prompts too, is what the numbers are divided by.

    >>> prompt = TokenPrompt(torch.tensor([[0, 1]]), torch.tensor([[False, True]]))
    >>> LOGIT_MINUS_MEAN(torch.tensor([[[0.0, 3.0, 1.0]]]), prompt)
    tensor([2.5000])
    """

    name: str
    regression: Callable[[Tensor, RegressionPrompt], Tensor] | None = None
    symbols: Callable[[Tensor, TokenPrompt], Tensor] | None = None
    unit: Callable[[Any], float] = lambda prompt: 1.0

    def applies(self, subject: Subject) -> str | None:
        """None, or why the subject has no such read-out."""
        if (self.symbols if isinstance(subject, LanguageSubject) else self.regression) is not None:
            return None
        return f"the read-out {self.name} is not for models of {subject.kind}"

    def measure(self, prediction: Tensor, prompt: Prompt) -> Float[Tensor, "*variant batch"]:
        """The read-out of every prompt, undivided."""
        function = self.symbols if isinstance(prompt, TokenPrompt) else self.regression
        if function is None:
            raise ValueError(f"readout: {self.name} does not read a {type(prompt).__name__}")
        return function(prediction, prompt)  # pyright: ignore[reportArgumentType]

    def __call__(self, prediction: Tensor, prompt: Prompt) -> Float[Tensor, "*variant batch"]:
        """The read-out of every prompt in its unit."""
        return self.measure(prediction, prompt) / self.unit(prompt)


def readout_of(readout: "str | Readout | None", subject: Subject) -> Readout:
    """A read-out by name or as it is; without one, logit_minus_mean for symbols and prediction for regression.

    Raises UserError for a name that is not known.
    """
    if isinstance(readout, Readout):
        return readout
    name = readout or ("logit_minus_mean" if isinstance(subject, LanguageSubject) else "prediction")
    return cast("Readout", READOUTS[name].load())


def _inner(prediction: Tensor, prompt: RegressionPrompt) -> Tensor:
    return (prediction * prompt.target).sum(dim=-1).mean(dim=-1)


def _mean_square(prompt: RegressionPrompt) -> float:
    # Predicting the target has then the value 1, predicting zero the value 0.
    return float(prompt.target.square().sum(dim=-1).mean())


def _half_square(prediction: Tensor, prompt: RegressionPrompt) -> Tensor:
    return 0.5 * (prediction - prompt.target).square().sum(dim=-1).mean(dim=-1)


def _of_last(
    values: Float[Tensor, "*variant batch pos d_vocab"], prompt: TokenPrompt
) -> Float[Tensor, "*variant batch"]:
    """What stands at the last position for the token that comes there."""
    target = prompt.tokens[:, -1]
    return values[..., torch.arange(len(target), device=target.device), -1, target]


def _logit_minus_mean(logits: Tensor, prompt: TokenPrompt) -> Tensor:
    own, last = _of_last(logits, prompt), logits[..., -1, :]
    return own - (last.sum(dim=-1) - own) / (last.shape[-1] - 1)


def _log_probability(logits: Tensor, prompt: TokenPrompt) -> Tensor:
    return _of_last(logits[..., -1:, :].log_softmax(dim=-1), prompt)


def _nats(logits: Tensor, prompt: TokenPrompt) -> Tensor:
    return -_log_probability(logits, prompt)


def _probability(logits: Tensor, prompt: TokenPrompt) -> Tensor:
    return _log_probability(logits, prompt).exp()


# The rows of probes.attribution.registry name these.
PREDICTION = Readout("prediction", _inner, unit=_mean_square)
LOSS = Readout("loss", _half_square, _nats)
LOGIT_MINUS_MEAN = Readout("logit_minus_mean", symbols=_logit_minus_mean)
LOG_PROBABILITY = Readout("log_probability", symbols=_log_probability)
PROBABILITY = Readout("probability", symbols=_probability)
