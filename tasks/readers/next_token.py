"""How token sequences become a language model's input, and its logits a prediction and a loss."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from tasks.prompt import TokenPrompt
from tasks.readers.reader import Inputs


@dataclass(frozen=True, eq=False)
class NextTokenReader:
    """The model reads all tokens but the last; its logits at a position are for the token after it.

    >>> prompt = TokenPrompt(torch.tensor([[0, 3, 5, 3]]), torch.tensor([[False, False, False, True]]))
    >>> NextTokenReader().encode(prompt).values.tolist()
    [[0, 3, 5]]
    """

    def encode(self, prompt: TokenPrompt) -> Inputs:
        """Ids (batch pos-1); every position can be a key, so there are no queries in the sense of `Inputs`."""
        return Inputs(prompt.tokens[:, :-1], queries=0)

    def decode(self, resid: Tensor, inputs: Inputs) -> Tensor:
        """The logits themselves (batch pos-1 d_vocab): the model ends in its unembedding."""
        return resid

    def loss(self, prediction: Tensor, prompt: TokenPrompt) -> Tensor:
        """Cross-entropy in nats, mean over the scored tokens of all prompts."""
        scored = prompt.scored[:, 1:]
        return token_losses(prediction, prompt)[scored].mean()


def token_losses(prediction: Float[Tensor, "batch pos d_vocab"], prompt: TokenPrompt) -> Float[Tensor, "batch pos"]:
    """The cross-entropy, in nats, of every token but the first, scored or not.

    >>> prompt = TokenPrompt(torch.tensor([[0, 1]]), torch.tensor([[False, True]]))
    >>> round(token_losses(torch.zeros(1, 1, 4), prompt).item(), 4)
    1.3863
    """
    return torch.nn.functional.cross_entropy(prediction.mT, prompt.tokens[:, 1:], reduction="none")
