"""x and y side by side in one token ([VO] section 2)."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from tasks.prompt import RegressionPrompt
from tasks.readers.reader import Inputs, half_squared_error


@dataclass(frozen=True, eq=False)
class PairedReader:
    """Tokens (x_i, y_i), queries (x_q, 0), prediction minus the last d_out channels of a query ([VO] section 2).

    With a `start` W0 (d_in d_out), queries are (x_q, -W0 x_q): the prediction before the first layer is then W0 x_q.

    >>> from tasks.regression.linear_regression import LinearRegression
    >>> prompt = LinearRegression(d_in=3, context=5).sample(2, torch.Generator().manual_seed(0))
    >>> inputs = PairedReader().encode(prompt)
    >>> inputs.values.shape, inputs.queries
    (torch.Size([2, 6, 4]), 1)
    """

    d_out: int = 1
    start: Float[Tensor, "d_in d_out"] | None = None

    def __post_init__(self) -> None:
        if self.d_out < 1:
            raise ValueError(f"d_out: {self.d_out} must be at least 1")
        if self.start is not None and self.start.shape[-1] != self.d_out:
            raise ValueError(f"start: {self.start.shape[-1]} outputs, but d_out is {self.d_out}")

    def encode(self, prompt: RegressionPrompt) -> Inputs:
        """Lay out tokens (batch context+query d_in+d_out); ValueError where the prompt's d_out is not the reader's."""
        if prompt.y.shape[-1] != self.d_out:
            raise ValueError(f"d_out: the reader reads {self.d_out} outputs, the prompt has {prompt.y.shape[-1]}")
        start = prompt.target.new_zeros(prompt.target.shape)
        if self.start is not None:
            start = -(prompt.query @ self.start.to(prompt.query))
        context = torch.cat([prompt.x, prompt.y], dim=-1)
        query = torch.cat([prompt.query, start], dim=-1)
        return Inputs(torch.cat([context, query], dim=1), queries=prompt.query.shape[1])

    def decode(self, resid: Tensor, inputs: Inputs) -> Tensor:
        """Minus the last `d_out` channels at the query positions."""
        return -resid[:, resid.shape[1] - inputs.queries :, -self.d_out :]

    def loss(self, prediction: Tensor, prompt: RegressionPrompt) -> Tensor:
        """Half the squared error, summed over outputs, mean over prompts and queries."""
        return half_squared_error(prediction, prompt.target)
