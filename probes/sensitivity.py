"""How a prediction reacts to its query: Jacobians of any function of regression prompts."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from tasks.prompt import RegressionPrompt, TokenPrompt

# Prompts whose activations, for the small models studied here, fit a cache of a megabyte or two.
CHUNK = 500

PromptT = TypeVar("PromptT", RegressionPrompt, TokenPrompt)


def chunks(prompt: PromptT) -> Iterator[PromptT]:
    """The same prompts, some at a time: their activations then stay in a processor's cache, which is faster."""
    for start in range(0, len(prompt), CHUNK):
        yield prompt.batch(start, start + CHUNK)


def sensitivity(
    predict: Callable[[RegressionPrompt], Tensor], prompt: RegressionPrompt
) -> Float[Tensor, "batch query d_out d_in"]:
    """The Jacobian of `predict` in the query. A query is never a key, so the gradient of a sum separates queries."""
    return sensitivities(lambda part: predict(part)[None], prompt)[0]


def sensitivities(
    predict: Callable[[RegressionPrompt], Tensor], prompt: RegressionPrompt
) -> Float[Tensor, "stage batch query d_out d_in"]:
    """The Jacobians in the query of a `predict` that gives several stages (stage batch query d_out), in one pass."""
    query = prompt.query.detach().clone().requires_grad_()
    with torch.enable_grad():
        stages = predict(replace(prompt, query=query))
        sums = [output.sum() for stage in stages for output in stage.unbind(-1)]
        # A stage may not depend on the query at all: its sensitivity is zero.
        gradients = [torch.autograd.grad(total, query, retain_graph=True, allow_unused=True)[0] for total in sums]
    jacobians = torch.stack([torch.zeros_like(query) if row is None else row for row in gradients])
    return jacobians.unflatten(0, stages.shape[::3]).movedim(1, 3).detach()
