"""How a prediction reacts to its query and to the context's labels: Jacobians of functions of regression prompts."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from tasks.predictor import RegressionPredictor
from tasks.prompt import RegressionPrompt, TokenPrompt

# Regression prompts whose activations, for the small models studied here, fit a cache of a megabyte or two; and
# sequences, of which each can have logits for a large vocabulary at every token.
CHUNK, SEQUENCES = 1000, 500

PromptT = TypeVar("PromptT", RegressionPrompt, TokenPrompt)


def chunks(prompt: PromptT) -> Iterator[PromptT]:
    """The same prompts in chunks whose activations fit in a processor's cache, which is faster."""
    size = SEQUENCES if isinstance(prompt, TokenPrompt) else CHUNK
    for start in range(0, len(prompt), size):
        yield prompt.batch(start, start + size)


def sensitivity(
    predict: Callable[[RegressionPrompt], Tensor], prompt: RegressionPrompt
) -> Float[Tensor, "batch query d_out d_in"]:
    """The Jacobian of `predict` in the query. A query is never a key, so the gradient of a sum separates queries."""
    return sensitivities(lambda prompts: predict(prompts)[None], prompt)[0]


def sensitivities(
    predict: Callable[[RegressionPrompt], Tensor], prompt: RegressionPrompt
) -> Float[Tensor, "stage batch query d_out d_in"]:
    """The Jacobians in the query of a `predict` that gives several stages (stage batch query d_out), in one pass."""
    query = prompt.query.detach().clone().requires_grad_()
    with torch.enable_grad():
        stages = predict(replace(prompt, query=query))
        sums = [output.sum() for stage in stages for output in stage.unbind(-1)]
        gradients = [_gradient(total, query) for total in sums]
    jacobians = torch.stack([torch.zeros_like(query) if row is None else row for row in gradients])
    return jacobians.unflatten(0, stages.shape[::3]).movedim(1, 3).detach()


def predictor_sensitivities(
    predictor: RegressionPredictor, prompt: RegressionPrompt
) -> Float[Tensor, "learner_step batch query d_out d_in"]:
    """The Jacobian in the query of a predictor's answer after each step."""
    weights = predictor.weights(prompt)
    if weights is not None:
        # Linear in the query: the weights are the Jacobian, the same for every query of a prompt.
        return weights.mT[:, :, None].expand(-1, -1, prompt.query.shape[1], -1, -1)
    return torch.cat([sensitivities(predictor.predict, chunk) for chunk in chunks(prompt)], dim=1)


def label_sensitivities(
    predict: Callable[[RegressionPrompt], Tensor], prompt: RegressionPrompt
) -> Float[Tensor, "stage batch query d_out context d_label"]:
    """The Jacobians in the context's labels of a `predict` that gives several stages (stage batch query d_out).

    One prompt's labels are no part of another prompt, so the gradient of a sum over the batch separates prompts.
    """
    labels = prompt.y.detach().clone().requires_grad_()
    with torch.enable_grad():
        stages = predict(replace(prompt, y=labels)).movedim(1, -1)
        sums = [output.sum() for output in stages.flatten(0, 2)]
        gradients = [_gradient(total, labels) for total in sums]
    jacobians = torch.stack([torch.zeros_like(labels) if row is None else row for row in gradients])
    return jacobians.unflatten(0, stages.shape[:3]).movedim(3, 1).detach()


def _gradient(total: Tensor, variable: Tensor) -> Tensor | None:
    """The gradient; None where the total does not depend on the variable: its sensitivity is zero."""
    if not total.requires_grad:
        # Then a predictor without weights has no graph at all.
        return None
    return torch.autograd.grad(total, variable, retain_graph=True, allow_unused=True)[0]
