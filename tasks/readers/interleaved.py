"""x and y in neighbouring tokens, told apart only by their positions ([VO] section 4, figure 5)."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from tasks.prompt import RegressionPrompt
from tasks.readers.reader import Inputs, half_squared_error


@dataclass(frozen=True, eq=False)
class InterleavedReader:
    """Tokens x_1, y_1, x_2, y_2, ..., x_q, each followed by its position; the prediction is minus d_out channels.

    A token has content channels, then position channels. An x fills the first content channels, a y the last d_out of
    them. Positions are pairs of sines and cosines of p / 10000^(2i/channels), as in the public notebooks. The
    prediction is read from the last d_out channels of the query's token. These are position channels, so an untrained
    model predicts minus their value, about -1. All queries share the position 2N and are never keys.

    With `one_hot`, positions are 2N+1 one-hot channels, for prompts of one length, and 2 d_out zero channels follow
    them. Hand-written weights use these as T and R of `interleaved_step_model`. `channels` is then ignored. Raises
    ValueError for no outputs and for an odd number of channels.

    >>> from tasks.regression.linear_regression import LinearRegression
    >>> prompt = LinearRegression(d_in=3, context=5).sample(2, torch.Generator().manual_seed(0))
    >>> inputs = InterleavedReader().encode(prompt)
    >>> inputs.values.shape, inputs.queries
    (torch.Size([2, 11, 13]), 1)
    """

    d_out: int = 1
    channels: int = 10
    one_hot: bool = False

    def __post_init__(self) -> None:
        if self.d_out < 1:
            raise ValueError(f"d_out: {self.d_out} must be at least 1")
        if self.channels < 2 or self.channels % 2:
            raise ValueError(f"channels: {self.channels} must be even and at least 2: sines come with their cosines")

    def encode(self, prompt: RegressionPrompt) -> Inputs:
        """Lay out tokens (batch 2context+query channel); ValueError where the prompt's d_out is not the reader's."""
        if prompt.y.shape[-1] != self.d_out:
            raise ValueError(f"d_out: the reader reads {self.d_out} outputs, the prompt has {prompt.y.shape[-1]}")
        width = self.content(prompt)
        x, query = (_widened(vectors, width, left=False) for vectors in (prompt.x, prompt.query))
        pairs = torch.stack([x, _widened(prompt.y, width, left=True)], dim=2).flatten(1, 2)
        content = torch.cat([pairs, query], dim=1)
        index = torch.arange(content.shape[1], device=content.device).clamp(max=pairs.shape[1])
        position_channels = self.positions(index, pairs.shape[1] + 1).to(content)
        values = torch.cat([content, position_channels.expand(len(content), -1, -1)], dim=-1)
        return Inputs(values, queries=prompt.query.shape[1])

    def content(self, prompt: RegressionPrompt) -> int:
        """How many of the first channels hold x or y."""
        return max(prompt.x.shape[-1], self.d_out)

    def position_channels(self, inputs: Inputs) -> int:
        """How many of the last channels of encoded prompts hold positions."""
        if not self.one_hot:
            return self.channels
        return inputs.values.shape[1] - inputs.queries + 1 + 2 * self.d_out

    def positions(self, index: Tensor, count: int) -> Float[Tensor, "pos channel"]:
        """The position channels of these positions out of `count`; one-hot ones are followed by zeros for T and R."""
        if self.one_hot:
            hot = torch.nn.functional.one_hot(index, count).double()
            return torch.cat([hot, hot.new_zeros(len(index), 2 * self.d_out)], dim=-1)
        rates = 10_000.0 ** (-torch.arange(0, self.channels, 2, device=index.device).double() / self.channels)
        angles = index.double()[:, None] * rates
        return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)

    def decode(self, resid: Tensor, inputs: Inputs) -> Tensor:
        """Minus the last `d_out` channels at the query positions."""
        return -resid[:, resid.shape[1] - inputs.queries :, -self.d_out :]

    def loss(self, prediction: Tensor, prompt: RegressionPrompt) -> Tensor:
        """Half the squared error, summed over outputs, mean over prompts and queries."""
        return half_squared_error(prediction, prompt.target)


def _widened(vectors: Tensor, width: int, left: bool) -> Tensor:
    missing = width - vectors.shape[-1]
    return torch.nn.functional.pad(vectors, (missing, 0) if left else (0, missing))
