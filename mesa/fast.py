"""The training loss without the parts of the forward pass that it cannot see.

Linear attention depends on its weights only through A_h = W_Q W_K^T / scale and V_h = W_V W_O, so both are
multiplied out once per step, for all prompts. Only queries are read, so the last layer is computed for their rows
and for the read channels alone. Both are exact: losses and gradients are those of the HookedTransformer.
"""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from mesa.model import InContextTransformer
from tasks.prompt import RegressionPrompt
from tasks.reader import Inputs, PairedReader, Reader


@dataclass(frozen=True, eq=False)
class LinearPath:
    """The predictions of a model of linear self-attention layers, differentiable in its weights."""

    model: InContextTransformer
    reader: PairedReader

    def predict(self, prompt: RegressionPrompt) -> Float[Tensor, "batch query d_out"]:
        """What the reader decodes from the model's output."""
        inputs = self.reader.encode(prompt)
        tokens, queries = inputs.values, inputs.queries
        count = tokens.shape[1] - queries
        *inner, last = (products(block.attn) for block in self.model.blocks)
        for A, V in inner:
            tokens = tokens + _update(tokens, tokens, A, V, count)
        A, V = last
        read = V[..., -self.reader.d_out :]
        written = _update(tokens[:, count:], tokens, A, read, count)
        return -(tokens[:, count:, -self.reader.d_out :] + written)

    def written(self, inputs: Inputs) -> Float[Tensor, "batch pos d_out"]:
        """What a model of one layer writes to the read channels of every token."""
        (block,) = self.model.blocks
        A, V = products(block.attn)
        tokens = inputs.values
        return _update(tokens, tokens, A, V[..., -self.reader.d_out :], tokens.shape[1] - inputs.queries)

    def loss(self, prompt: RegressionPrompt) -> Tensor:
        """The reader's loss of these predictions."""
        return self.reader.loss(self.predict(prompt), prompt)


def path(model: InContextTransformer, reader: Reader) -> LinearPath | None:
    """The fast path that is exact for this model and reader, or None where there is none yet."""
    config = model.config
    linear = all(kernel == "linear" for kernel in config.kernels)
    bare = config.normalization is None and config.d_mlp is None and config.input_mlp is None and config.clip is None
    plain = config.d_model is None and not config.bias and not config.causal
    unbiased = not any(bool(getattr(block.attn, name).any()) for block in model.blocks for name in _BIASES)
    exact = linear and bare and plain and unbiased and type(reader) is PairedReader
    return LinearPath(model, reader) if exact and isinstance(reader, PairedReader) else None


def products(
    attn: Any,
) -> tuple[Float[Tensor, "head d_model d_model"], Float[Tensor, "head d_model d_model"]]:
    """A = W_Q W_K^T / scale and V = W_V W_O of every head of one layer."""
    return attn.W_Q @ attn.W_K.mT / attn.attn_scale, attn.W_V @ attn.W_O


def _update(rows: Tensor, tokens: Tensor, A: Tensor, V: Tensor, count: int) -> Tensor:
    """What the heads write to `rows`: sum_h rows A_h E^T E V_h, E the first `count` tokens."""
    batch, length, width = tokens.shape
    flat_rows, flat = rows.reshape(-1, width), tokens.reshape(-1, width)
    total: Tensor | None = None
    for a, v in zip(A, V, strict=True):
        sought = (flat_rows @ a).view(rows.shape)
        # Values are computed for the queries too, and dropped: one matrix product on contiguous rows is faster.
        values = (flat @ v).view(batch, length, -1)[:, :count]
        written = torch.bmm(torch.bmm(sought, tokens[:, :count].mT), values)
        total = written if total is None else total + written
    assert total is not None
    return total


_BIASES = ("b_Q", "b_K", "b_V", "b_O")
