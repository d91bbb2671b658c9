"""Which models have a fast path, and the form that is fastest for each."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.modules.module import _has_any_global_hook

from mesa.fast import embedding, gram, tokens, two_layers
from mesa.fast.layer import Layer, layer_of, padded
from mesa.models.attention import KernelAttention
from mesa.models.in_context import InContextTransformer
from tasks.prompt import Prompt, RegressionPrompt
from tasks.readers.interleaved import InterleavedReader
from tasks.readers.paired import PairedReader
from tasks.readers.reader import Inputs, Reader


@dataclass(frozen=True, eq=False)
class FastPath:
    """The predictions of a model of attention layers, differentiable in its weights.

    A model that holds a hook runs its own forward pass instead, because a hook may change activations. So does a model
    that has been given a bias, or other weights in a tied layer.
    """

    model: InContextTransformer
    reader: PairedReader | InterleavedReader

    def predict(self, prompt: RegressionPrompt) -> Float[Tensor, "batch query d_out"]:
        """What the reader decodes from the model's output on these prompts."""
        return self.answer(self.reader.encode(prompt))

    def answer(self, inputs: Inputs) -> Float[Tensor, "batch query d_out"]:
        """What the reader decodes from the model's output on these tokens."""
        if not is_plain(self.model):
            return self.reader.decode(self.model(inputs), inputs)
        embed, d_out, layers = self.model.embed, self.reader.d_out, self._layers()
        if len(layers) > 1:
            return -self._clipped(self._deep(embedding.embedded(embed, inputs.values), layers, inputs.queries))
        (layer,), count = layers, inputs.values.shape[1] - inputs.queries
        layer = layer.reading(d_out)
        if not embed.identity or embed.mlp is not None:
            return -self._clipped(embedding.one_layer(embed, layer, inputs.values, count))
        rows = inputs.values[:, count:]
        return -self._clipped(rows[..., -d_out:] + tokens.written(layer, rows, inputs.values, count))

    def _deep(self, values: Tensor, layers: list[Layer], queries: int) -> Tensor:
        """What the queries hold in the read channels after several layers, before the last clipping."""
        values, count = padded(values), values.shape[1] - queries
        *inner, last = (layer.padded() for layer in layers)
        last, clip = last.reading(self.reader.d_out), self.model.config.clip
        rows, context = values[:, count:], values[:, :count]
        form = _form(inner, last, rows, context, clip)
        if form == "vectors":
            return gram.two_layers(inner[0], last, rows, context)
        from_gram = gram.layers(inner, last, rows, context, clip) if form == "gram" else None
        if from_gram is not None:
            return from_gram
        one_by_one = inner[:-1] if form == "two_layers" else inner
        for layer in one_by_one:
            values = self._clipped(tokens.moved(layer, values, count))
        if form == "two_layers":
            return two_layers.last_two(inner[-1], last, values, count)
        rows = values[:, count:]
        return rows[..., -self.reader.d_out :] + tokens.written(last, rows, values, count)

    def writer(self) -> Callable[[Inputs], Float[Tensor, "batch pos d_out"]]:
        """What a model of one layer writes to the read channels of every token, by the weights it has now."""
        (layer,) = self._layers()
        layer = layer.reading(self.reader.d_out)

        def written(inputs: Inputs) -> Tensor:
            values = self.model.embed(inputs.values)
            return tokens.written(layer, values, values, values.shape[1] - inputs.queries)

        return written

    def loss(self, prompt: Prompt) -> Tensor:
        """The reader's loss of these predictions; ValueError for token sequences, which no fast path reads."""
        if not isinstance(prompt, RegressionPrompt):
            raise ValueError(f"prompt: a fast path cannot read a {type(prompt).__name__}")
        return self.reader.loss(self.predict(prompt), prompt)

    def _layers(self) -> list[Layer]:
        # An InContextTransformer's attention is its own in every block.
        attentions = [cast("KernelAttention", block.attn) for block in self.model.blocks]
        if self.model.config.tied:
            return [layer_of(attentions[0])] * len(attentions)
        return [layer_of(attention) for attention in attentions]

    def _clipped(self, values: Tensor) -> Tensor:
        clip = self.model.config.clip
        return values if clip is None else tokens.clipped(values, clip)


def path(model: nn.Module, reader: Reader) -> FastPath | None:
    """The fast path that is exact for this model and reader, or None where there is none.

    A model that holds a hook has none.
    """
    if not isinstance(model, InContextTransformer) or not is_plain(model):
        return None
    config = model.config
    attention_only = config.normalization is None and config.d_mlp is None
    plain = not config.bias and not config.causal
    # Both read minus the last channels of the queries; a subclass may not.
    exact = attention_only and plain and type(reader) in (PairedReader, InterleavedReader)
    return FastPath(model, reader) if exact and isinstance(reader, PairedReader | InterleavedReader) else None


_BIASES = ("b_Q", "b_K", "b_V", "b_O")


def is_plain(model: InContextTransformer) -> bool:
    """Has the model its class's own forward pass, no hook, no bias, and one set of weights where its layers are tied?

    This is asked in every step: a model can change after its path was made, and its parts can be replaced.
    """
    modules = (model, *(block.attn for block in model.blocks))
    if type(model) is not InContextTransformer or any(type(attn) is not KernelAttention for attn in modules[1:]):
        return False
    if any("forward" in vars(module) for module in modules) or has_hooks(model):
        return False
    first, *others = (block.attn._parameters for block in model.blocks)
    if not model.config.tied:
        distinct = [first, *others]
    elif all(weights[name] is first[name] for weights in others for name in first):
        distinct = [first]
    else:
        return False
    return not torch.cat([cast("Tensor", weights[name]).flatten() for weights in distinct for name in _BIASES]).any()


def has_hooks(model: nn.Module) -> bool:
    """Does any module, a hook point or another, hold a hook on its forward or backward pass, or do all modules?"""
    if _has_any_global_hook():
        return True
    modules = [model]
    # nn.Module.modules takes five times as long.
    for module in modules:
        modules.extend(child for child in module._modules.values() if child is not None)
    return any(map(_holds_hook, modules))


def _holds_hook(module: nn.Module) -> bool:
    """Does this module itself hold one?"""
    return bool(
        module._forward_hooks or module._forward_pre_hooks or module._backward_hooks or module._backward_pre_hooks
    )


def _form(
    inner: list[Layer], last: Layer, rows: Tensor, context: Tensor, clip: float | None
) -> Literal["vectors", "gram", "two_layers", "tokens"]:
    """The fastest form, as measured for 10 to 40 channels on one thread.

    A product of G with a vector costs d^2; one head needs 4, two heads 12. Up to two rows this is faster than products
    of matrices, which cost d^3. A layer of the Gram form costs five products of d x d matrices. A layer of the token
    form costs two of these and three products of N x d: the Gram form is faster from N = 1.5 d on. After a softmax
    layer, the last layer needs, for each head, as many numbers of a key as there are rows and read channels. Where
    these are few, the tokens between the layers are not computed.
    """
    if any(layer.kernel != "linear" for layer in (*inner, last)):
        vectors = len(last.A) * (rows.shape[1] + last.V.shape[-1])
        few = clip is None and inner[-1].kernel == "softmax" and 2 * vectors <= context.shape[2]
        return "two_layers" if few else "tokens"
    if len(inner) == 1 and rows.shape[1] * len(last.A) <= 2 and clip is None:
        return "vectors"
    return "gram" if context.shape[1] >= 1.5 * context.shape[2] else "tokens"
