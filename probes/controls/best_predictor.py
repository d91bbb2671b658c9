"""The best predictor of a token task in a model's place: the right answer by other means."""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from tasks.prompt import TokenPrompt


class BestPredictor(nn.Module):
    """Takes ids (batch pos) and returns the logarithms of the best next-token distribution (batch pos d_vocab).

    >>> from tasks import MarkovChain
    >>> BestPredictor(MarkovChain(vocabulary=3))(torch.tensor([[3, 0, 1]])).shape
    torch.Size([1, 3, 4])
    """

    def __init__(self, task: Any) -> None:
        super().__init__()
        self.task = task
        # Where a subject's prompts belong is read off its model's parameters.
        self.place = nn.Parameter(torch.zeros(()), requires_grad=False)

    def forward(self, ids: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos d_vocab"]:
        """Whatever the last token is, nothing is predicted from what comes after it."""
        tokens = torch.cat([ids, ids.new_full((len(ids), 1), self.task.vocabulary - 1)], dim=1)
        # What cannot come gets a finite logarithm: a mean over the vocabulary stays one.
        return self.task.best(TokenPrompt(tokens, torch.zeros_like(tokens, dtype=torch.bool))).clamp(min=-100.0)
