"""x and y in neighbouring tokens, told apart only by where they stand ([VO] section 4, figure 5)."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from tasks.prompt import RegressionPrompt
from tasks.readers.reader import Inputs, half_squared_error


@dataclass(frozen=True, eq=False)
class InterleavedReader:
    """Tokens x_1, y_1, x_2, y_2, ..., x_q, each beside its position; prediction minus the last d_out channels.

    A token holds content channels, x or, in the last d_out of them, y; then position channels. Positions are sines and
    cosines of p / 10000^(2i/channels), in pairs, as in the public notebooks. The read-out is then a position channel,
    so before training a model predicts minus what stands in it, about -1. All queries share the position 2N and are
    never keys.

    With `one_hot` positions are 2N+1 channels, for prompts of one length, with 2 d_out empty ones behind them: room for
    hand-written weights, T and R of `interleaved_step_model`; `channels` then means nothing. Raises ValueError for
    no outputs and for an odd number of channels.

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
        x, query = (_widened(part, width, left=False) for part in (prompt.x, prompt.query))
        pairs = torch.stack([x, _widened(prompt.y, width, left=True)], dim=2).flatten(1, 2)
        content = torch.cat([pairs, query], dim=1)
        places = torch.arange(content.shape[1], device=content.device).clamp(max=pairs.shape[1])
        position = self.positions(places, pairs.shape[1] + 1).to(content)
        values = torch.cat([content, position.expand(len(content), -1, -1)], dim=-1)
        return Inputs(values, queries=prompt.query.shape[1])

    def content(self, prompt: RegressionPrompt) -> int:
        """How many of the first channels hold x or y."""
        return max(prompt.x.shape[-1], self.d_out)

    def position_channels(self, inputs: Inputs) -> int:
        """How many of the last channels of encoded prompts hold positions."""
        if not self.one_hot:
            return self.channels
        return inputs.values.shape[1] - inputs.queries + 1 + 2 * self.d_out

    def positions(self, places: Tensor, count: int) -> Float[Tensor, "pos channel"]:
        """The position channels of some places among `count`, with T and R behind them where they are one-hot."""
        if self.one_hot:
            hot = torch.nn.functional.one_hot(places, count).double()
            return torch.cat([hot, hot.new_zeros(len(places), 2 * self.d_out)], dim=-1)
        rates = 10_000.0 ** (-torch.arange(0, self.channels, 2, device=places.device).double() / self.channels)
        angles = places.double()[:, None] * rates
        return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)

    def decode(self, resid: Tensor, inputs: Inputs) -> Tensor:
        """Minus the last `d_out` channels at the query positions."""
        return -resid[:, resid.shape[1] - inputs.queries :, -self.d_out :]

    def loss(self, prediction: Tensor, prompt: RegressionPrompt) -> Tensor:
        """Half the squared error, summed over outputs, mean over prompts and queries."""
        return half_squared_error(prediction, prompt.target)


def _widened(part: Tensor, width: int, left: bool) -> Tensor:
    missing = width - part.shape[-1]
    return torch.nn.functional.pad(part, (missing, 0) if left else (0, missing))
