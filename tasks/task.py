"""What every task offers: prompts, and the best possible answer where it is known."""

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from tasks.prompt import RegressionPrompt


@runtime_checkable
class Task(Protocol):
    """A distribution over prompts.

    Law: sampling is pure. The same generator state gives the same batch, on the generator's device, and the
    global random state is neither read nor moved.
    """

    def sample(self, batch: int, generator: torch.Generator, queries: int = 1) -> RegressionPrompt:
        """Draw `batch` prompts with `queries` queries each."""
        ...

    def best(self, prompt: RegressionPrompt) -> Tensor | None:
        """The prediction of least expected loss (batch query d_out), or None where no closed form is known."""
        ...
