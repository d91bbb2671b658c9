"""The training loss of a model by a kernel that is compiled for its shape."""

from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import torch
from jaxtyping import Float
from torch import Tensor

from mesa.fast.dispatch import FastPath, is_plain
from mesa.fast.kernel.compiled import Kernel, kernel_of
from mesa.fast.kernel.machine import Machine
from mesa.fast.kernel.shape import Shape, Span
from mesa.models.attention import KernelAttention
from tasks.prompt import RegressionPrompt
from tasks.readers.interleaved import InterleavedReader
from tasks.readers.paired import PairedReader

Sources: TypeAlias = list[tuple[Span, Float[Tensor, "batch _ _"]]]


@dataclass(frozen=True, eq=False)
class KernelPath:
    """The loss of a model of attention layers, differentiable in its weights.

    `tensors` is the same loss by tensor operations, for what the kernel does not cover: a model that holds a hook or
    was given a bias, weights on another device, of another type or of unequal shapes, and prompts whose own gradient is
    wanted. It also raises the error for prompts that do not fit the model.
    """

    tensors: FastPath
    machine: Machine

    def loss(self, prompt: RegressionPrompt) -> Tensor:
        """The reader's loss of the model's predictions."""
        model, reader = self.tensors.model, self.tensors.reader
        layers = self._layers
        distinct = layers[:1] if model.config.tied else layers
        weights = [weight for kind in zip(*map(_weights, distinct), strict=True) for weight in kind]
        dtype = torch.float64 if self.machine.bits == 64 else torch.float32
        covered = is_plain(model) and _are_readable(weights, dtype) and _are_alike(weights)
        if not (covered and _fits(prompt, reader.d_out, dtype)):
            return self.tensors.loss(prompt)
        sources = _sources(reader, prompt)
        if max(right for (*_, right), _ in sources) != layers[0].W_Q.shape[1]:
            # These tokens have another width than the model: the error of the tensor operations says so.
            return self.tensors.loss(prompt)
        kernel = kernel_of(self._shape(sources, prompt), self.machine)
        clip = 0.0 if model.config.clip is None else model.config.clip
        given = [tensor for _, tensor in sources], prompt.target, clip
        return _Loss.apply(kernel, given, _scales(distinct), torch.is_grad_enabled(), *weights)

    def flops(self, prompt: RegressionPrompt) -> int:
        """Operations of all matrix products for one such prompt, forward and backward."""
        return kernel_of(self._shape(_sources(self.tensors.reader, prompt), prompt), self.machine).flops

    @property
    def _layers(self) -> list[KernelAttention]:
        # Read in every step, because a layer may be replaced.
        return [cast("KernelAttention", block.attn) for block in self.tensors.model.blocks]

    def _shape(self, sources: Sources, prompt: RegressionPrompt) -> Shape:
        config, layers = self.tensors.model.config, self._layers
        heads, channels, _ = layers[0].W_Q.shape
        return Shape(
            kernels=tuple(layer.kernel for layer in layers),
            weights=tuple(0 if config.tied else layer for layer in range(len(layers))),
            heads=heads,
            context=max(bottom for (_, bottom, *_), _ in sources) - prompt.query.shape[1],
            queries=prompt.query.shape[1],
            channels=channels,
            d_out=prompt.y.shape[-1],
            clip=config.clip is not None,
            sources=tuple(span for span, _ in sources),
        )


def _fits(prompt: RegressionPrompt, d_out: int, dtype: torch.dtype) -> bool:
    """Do the shapes of these tensors agree, can machine code read them, and is no gradient in them wanted?"""
    (batch, count, width), queries = prompt.x.shape, prompt.query.shape[1]
    shapes = [(batch, count, width), (batch, count, d_out), (batch, queries, width), (batch, queries, d_out)]
    tensors = [prompt.x, prompt.y, prompt.query, prompt.target]
    agree = [tuple(tensor.shape) for tensor in tensors] == shapes and min(batch, count, queries) > 0
    return agree and _are_readable(tensors, dtype) and not any(tensor.requires_grad for tensor in tensors)


def _are_readable(tensors: list[Tensor], dtype: torch.dtype) -> bool:
    """Are they in the processor's memory and of this type, as are their products?"""
    readable = all(tensor.dtype == dtype and tensor.device.type == "cpu" for tensor in tensors)
    return readable and not torch.is_autocast_enabled("cpu")


def _are_alike(weights: list[Tensor]) -> bool:
    """Have all layers weights of the same shapes? That of W_O, which comes last, is not that of the others."""
    outputs = len(weights) * 3 // 4
    return all(len({weight.shape for weight in kind}) == 1 for kind in (weights[:outputs], weights[outputs:]))


def _weights(layer: KernelAttention) -> tuple[Tensor, ...]:
    return layer.W_Q, layer.W_V, layer.W_K, layer.W_O


def _scales(layers: list[KernelAttention]) -> Tensor | None:
    """What the products A and V of every layer are divided by; None where that is 1."""
    scales = [layer.attn_scale for layer in layers]
    if all(scale == 1 for scale in scales):
        return None
    both = torch.tensor([scales, [1.0] * len(scales)], dtype=layers[0].W_Q.dtype)
    return both[:, :, None, None, None]


def _sources(reader: PairedReader | InterleavedReader, prompt: RegressionPrompt) -> Sources:
    """Which tensor fills which rows and columns of the tokens; the kernel reads the tensors themselves."""
    (_, count, width), queries, d_out = prompt.x.shape, prompt.query.shape[1], reader.d_out
    if isinstance(reader, InterleavedReader):
        content = reader.content(prompt)
        # All queries have the position behind the context.
        indices = torch.arange(2 * count + queries).clamp(max=2 * count)
        positions = reader.positions(indices, 2 * count + 1).to(prompt.x)
        end = content + positions.shape[1]
        return [
            ((0, 2 * count, 2, 0, width), prompt.x),
            ((1, 2 * count, 2, content - d_out, content), prompt.y),
            ((2 * count, len(indices), 1, 0, width), prompt.query),
            ((0, len(indices), 1, content, end), positions.expand(len(prompt), -1, -1)),
        ]
    sources: Sources = [
        ((0, count, 1, 0, width), prompt.x),
        ((0, count, 1, width, width + d_out), prompt.y),
        ((count, count + queries, 1, 0, width), prompt.query),
    ]
    if reader.start is not None:
        guess = -(prompt.query @ reader.start.to(prompt.query))
        sources.append(((count, count + queries, 1, width, width + d_out), guess))
    return sources


class _Loss(torch.autograd.Function):
    """The loss as a function of the weights; `forward` computes the gradient too, and `backward` multiplies it."""

    @staticmethod
    def forward(
        ctx: Any,
        kernel: Kernel,
        prompt: tuple[list[Tensor], Tensor, float],
        scales: Tensor | None,
        wanted: bool,
        *weights: Tensor,
    ) -> Tensor:
        """W_Q of every layer, then W_V (head d d_head), W_K (head d d_head) and W_O (head d_head d)."""
        layers = len(weights) // 4
        # A = W_Q W_K^T / scale and V = W_V W_O, both as one product.
        left = torch.stack(weights[: 2 * layers]).unflatten(0, (2, layers))
        keys = [weight.mT for weight in weights[2 * layers : 3 * layers]]
        right = torch.stack([*keys, *weights[3 * layers :]]).unflatten(0, (2, layers))
        if scales is not None:
            right = right / scales
        # `needs_input_grad` is true also under `torch.no_grad()`.
        needed = wanted and any(ctx.needs_input_grad)
        sums = kernel(*prompt, left @ right, gradient=needed)
        if needed:
            upstream = sums[1:].view(2, layers, *weights[0].shape[:2], -1)
            ctx.left, ctx.right, ctx.scales = upstream @ right.mT, left.mT @ upstream, scales
        return sums[0].clone()

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The gradient of every weight, of which there is no further gradient."""
        # Gradients are enabled here only for create_graph, and this one would then count as a constant.
        if torch.is_grad_enabled():
            raise RuntimeError("create_graph: the compiled kernel has no second derivative; training.fast=tensor has")
        right = ctx.right if ctx.scales is None else ctx.right / ctx.scales
        left, (keys, outputs) = upstream[0] * ctx.left, upstream[0] * right
        return None, None, None, None, *left.flatten(0, 1).unbind(), *keys.mT.unbind(), *outputs.unbind()
