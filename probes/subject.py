"""What is probed: a model, how it is read, and the task whose prompts it is given."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformer_lens import HookedTransformer

from mesa.models.in_context import InContextTransformer
from tasks.prompt import RegressionPrompt, TokenPrompt
from tasks.readers.next_token import NextTokenReader
from tasks.readers.reader import Inputs, Reader

# Why a probe of regression models does not apply to a language model.
NOT_REGRESSION = "it reads regression prompts, not token sequences"
# Prompts whose activations, for the small models studied here, fit a cache of a megabyte or two.
CHUNK = 500

PromptT = TypeVar("PromptT", RegressionPrompt, TokenPrompt)


@dataclass(frozen=True, eq=False)
class Subject:
    """A model with its reader and task; the other fields say in tables where it comes from.

    `model` is an InContextTransformer or any module, with TransformerLens hooks or without, that takes tokens
    (batch pos d_token), in the reader's layout, and returns a residual stream (batch pos d_model) that it can decode;
    or a language model, a HookedTransformer or TransformerBridge, that takes ids and returns logits.

    >>> from mesa import InContextTransformer, ModelConfig
    >>> from tasks import LinearRegression, PairedReader
    >>> subject = Subject(InContextTransformer(ModelConfig(), d_token=4), PairedReader(), LinearRegression(d_in=3))
    >>> subject.predict(subject.prompts(5, torch.Generator().manual_seed(0))).shape
    torch.Size([5, 1, 1])
    """

    model: nn.Module
    reader: Reader
    # A Task or, for a language model, a TokenTask: a probe that needs one of them says so where it applies.
    task: Any
    run: str = ""
    seed: int = 0
    step: int | None = None
    control: str = "none"

    def prompts(self, count: int, generator: torch.Generator, task: Any = None) -> Any:
        """Fresh prompts of the subject's task, or of another, in the model's dtype and on its device."""
        weight = next(self.model.parameters())
        return (task or self.task).sample(count, generator).to(weight.device, weight.dtype)

    @property
    def symbols(self) -> bool:
        """Whether it is a language model on token sequences, not a model of regression prompts."""
        return isinstance(getattr(self.reader, "base", self.reader), NextTokenReader)

    def output(self, inputs: Inputs) -> Float[Tensor, "batch pos d_model"]:
        """The model's output: the last residual stream, or logits."""
        return self.model(inputs if isinstance(self.model, InContextTransformer) else inputs.values)

    def predict(self, prompt: Any) -> Float[Tensor, "batch query d_out"]:
        """The model's predictions, or logits (batch pos-1 d_vocab), without a graph."""
        with torch.no_grad():
            return torch.cat([self._predict(part) for part in chunks(prompt)])

    def sensitivity(self, prompt: RegressionPrompt) -> Float[Tensor, "batch query d_out d_in"]:
        """The gradient of each prediction with respect to its own query; no parameter's `.grad` is touched."""
        return torch.cat([sensitivity(self._predict, part) for part in chunks(prompt)])

    def layers(self, prompt: RegressionPrompt) -> Float[Tensor, "stage batch query d_out"]:
        """The prediction so far, decoded before the first layer and after each: n_layers + 1 stages.

        The last one is the model's prediction. Raises ValueError for a model without TransformerLens's hook points.
        """
        with torch.no_grad():
            return torch.cat([self._layers(part) for part in chunks(prompt)], dim=1)

    def layer_sensitivity(self, prompt: RegressionPrompt) -> Float[Tensor, "stage batch query d_out d_in"]:
        """The gradient of every stage of `layers` with respect to its own query."""
        return torch.cat([sensitivities(self._layers, part) for part in chunks(prompt)], dim=1)

    def _predict(self, prompt: Any) -> Tensor:
        inputs = self.reader.encode(prompt)
        return self.reader.decode(self.output(inputs), inputs)

    def _layers(self, prompt: RegressionPrompt) -> Tensor:
        if not isinstance(self.model, HookedTransformer):
            raise ValueError("model: only a HookedTransformer has a residual stream to decode after every layer")
        inputs = self.reader.encode(prompt)
        names = ["blocks.0.hook_resid_pre", *(f"blocks.{k}.hook_resid_post" for k in range(self.model.cfg.n_layers))]
        seen: dict[str, Tensor] = {}

        def keep(resid: Tensor, hook: Any) -> None:
            seen[hook.name] = resid

        with self.model.hooks([(name, keep) for name in names]):
            output = self.output(inputs)
        # What is read out may be normalised once more after the last layer.
        resids = [*(seen[name] for name in names[:-1]), output]
        return torch.stack([self.reader.decode(resid, inputs) for resid in resids])


def chunks(prompt: PromptT) -> Iterator[PromptT]:
    """The same prompts, some at a time: their activations then stay in a processor's cache, which is faster."""
    for start in range(0, len(prompt), CHUNK):
        yield prompt.batch(start, start + CHUNK)


def sensitivity(predict: Any, prompt: RegressionPrompt) -> Float[Tensor, "batch query d_out d_in"]:
    """The Jacobian of `predict` in the query. A query is no key, so a sum over prompts and queries separates them."""
    return sensitivities(lambda asked: predict(asked)[None], prompt)[0]


def sensitivities(predict: Any, prompt: RegressionPrompt) -> Float[Tensor, "stage batch query d_out d_in"]:
    """The Jacobians in the query of a `predict` that gives several stages (stage batch query d_out), in one pass."""
    query = prompt.query.detach().clone().requires_grad_()
    with torch.enable_grad():
        stages = predict(replace(prompt, query=query))
        outputs = [out.sum() for stage in stages for out in stage.unbind(-1)]
        # A stage may not depend on the query at all: its sensitivity is zero.
        rows = [torch.autograd.grad(out, query, retain_graph=True, allow_unused=True)[0] for out in outputs]
    found = torch.stack([torch.zeros_like(query) if row is None else row for row in rows])
    return found.unflatten(0, stages.shape[::3]).movedim(1, 3).detach()
