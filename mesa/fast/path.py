"""Which models have a fast path, and the path: one way for every layer but the last, one for what is read of it."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mesa.fast.attention import Layer, layer_of
from mesa.model import InContextTransformer
from tasks.prompt import RegressionPrompt
from tasks.reader import Inputs, PairedReader, Reader


@dataclass(frozen=True, eq=False)
class FastPath:
    """The predictions of a model of attention layers, differentiable in its weights."""

    model: InContextTransformer
    reader: PairedReader

    def predict(self, prompt: RegressionPrompt) -> Float[Tensor, "batch query d_out"]:
        """What the reader decodes from the model's output."""
        inputs = self.reader.encode(prompt)
        tokens = self.model.embed(inputs.values)
        count = tokens.shape[1] - inputs.queries
        *inner, last = self._layers()
        for layer in inner:
            tokens = self._clipped(tokens + layer.written(tokens, tokens[:, :count]))
        rows = tokens[:, count:]
        read = rows[..., -self.reader.d_out :] + last.reading(self.reader.d_out).written(rows, tokens[:, :count])
        return -self._clipped(read)

    def written(self, inputs: Inputs) -> Float[Tensor, "batch pos d_out"]:
        """What a model of one layer writes to the read channels of every token."""
        (layer,) = self._layers()
        tokens = self.model.embed(inputs.values)
        return layer.reading(self.reader.d_out).written(tokens, tokens[:, : tokens.shape[1] - inputs.queries])

    def loss(self, prompt: RegressionPrompt) -> Tensor:
        """The reader's loss of these predictions."""
        return self.reader.loss(self.predict(prompt), prompt)

    def _layers(self) -> list[Layer]:
        if self.model.config.tied:
            return [layer_of(self.model.blocks[0].attn)] * len(self.model.blocks)
        return [layer_of(block.attn) for block in self.model.blocks]

    def _clipped(self, tokens: Tensor) -> Tensor:
        clip = self.model.config.clip
        return tokens if clip is None else torch.clamp(tokens, -clip, clip)


def path(model: InContextTransformer, reader: Reader) -> FastPath | None:
    """The fast path that is exact for this model and reader, or None where there is none yet."""
    config = model.config
    bare = config.normalization is None and config.d_mlp is None
    plain = not config.bias and not config.causal
    unbiased = not any(bool(getattr(block.attn, name).any()) for block in model.blocks for name in _BIASES)
    exact = bare and plain and unbiased and type(reader) is PairedReader
    return FastPath(model, reader) if exact and isinstance(reader, PairedReader) else None


_BIASES = ("b_Q", "b_K", "b_V", "b_O")
