"""Corrupted prompts: the same question after the context of another prompt, from which the answer cannot be learned."""

from dataclasses import fields, replace

import torch
from jaxtyping import Int
from torch import Tensor

from mesa.rng import generator
from tasks.prompt import Prompt, RegressionPrompt, TokenPrompt


def corrupted(prompt: Prompt) -> Prompt:
    """Prompts with what is to be answered kept and the answer's evidence taken from another prompt of the batch.

    Regression: the labels y come from the next prompt; x, query and target are kept. Symbols: everything before the
    last token that a model reads comes from the next prompt; that token and the target are kept. Raises ValueError for
    less than two prompts.

    >>> prompt = TokenPrompt(torch.tensor([[9, 1, 2, 1, 2], [9, 3, 4, 3, 4]]), torch.tensor([[False] * 4 + [True]] * 2))
    >>> corrupted(prompt).tokens.tolist()
    [[9, 3, 4, 1, 2], [9, 1, 2, 3, 4]]
    """
    if len(prompt) < 2:
        raise ValueError(f"prompts: {len(prompt)} must be at least 2, for one to take another's context")
    if isinstance(prompt, TokenPrompt):
        tokens = torch.cat([prompt.tokens.roll(-1, dims=0)[:, :-2], prompt.tokens[:, -2:]], dim=1)
        return replace(prompt, tokens=tokens)
    return replace(prompt, y=prompt.y.roll(-1, dims=0))


def select(prompt: Prompt, rows: Int[Tensor, " row"]) -> Prompt:
    """Only these prompts, in this order."""
    parts = {field.name: getattr(prompt, field.name) for field in fields(prompt)}
    return replace(prompt, **{name: values[rows] for name, values in parts.items() if values is not None})


def canonical_order(prompt: Prompt) -> Prompt:
    """The prompts whose last token is to be predicted, in an order that depends on what they hold and nothing else.

    In that order a batch given in another order is the same batch. The key is a sum with fixed random weights, so that
    neighbours are no more alike than any two prompts. Raises ValueError where less than two are left.
    """
    rows = torch.arange(len(prompt))
    if isinstance(prompt, TokenPrompt):
        rows = rows.to(prompt.scored.device)[prompt.scored[:, -1]]
        if len(rows) < 2:
            raise ValueError(f"prompts: the last token of {len(rows)} is to be predicted; at least 2 are needed")
    held = select(prompt, rows)
    content = [held.tokens] if isinstance(held, TokenPrompt) else [held.x, held.y, held.query]
    flat = torch.cat([values.flatten(1).double().cpu() for values in content], dim=1)
    weights = torch.randn(flat.shape[1], generator=generator(0, "probes/order"), dtype=torch.float64)
    return select(held, (flat * weights).sum(dim=1).argsort().to(_device(held)))


def _device(prompt: Prompt) -> torch.device:
    return prompt.x.device if isinstance(prompt, RegressionPrompt) else prompt.tokens.device
