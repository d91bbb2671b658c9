"""Corrupted prompts: the same question after the context of another prompt, from which the answer cannot be learned."""

from dataclasses import fields, replace

import torch
from jaxtyping import Int
from torch import Tensor

from mesa.rng import generator
from tasks.prompt import Prompt, RegressionPrompt, TokenPrompt


def corrupted(prompt: Prompt) -> Prompt:
    """The same questions, each with the evidence for its answer taken from another prompt of the batch.

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
    tensors = {field.name: getattr(prompt, field.name) for field in fields(prompt)}
    return replace(prompt, **{name: tensor[rows] for name, tensor in tensors.items() if tensor is not None})


def canonical_order(prompt: Prompt) -> Prompt:
    """The prompts whose last token is to be predicted, in an order that depends on their content alone.

    Two batches of the same prompts in different orders thus become the same batch. Prompts are sorted by a sum of their
    entries with fixed random weights, so that neighbours are no more alike than any two prompts. Raises ValueError
    where less than two are left.
    """
    rows = torch.arange(len(prompt))
    if isinstance(prompt, TokenPrompt):
        rows = rows.to(prompt.scored.device)[prompt.scored[:, -1]]
        if len(rows) < 2:
            raise ValueError(f"prompts: the last token of {len(rows)} is to be predicted; at least 2 are needed")
    scored = select(prompt, rows)
    content = [scored.tokens] if isinstance(scored, TokenPrompt) else [scored.x, scored.y, scored.query]
    flat = torch.cat([values.flatten(1).double().cpu() for values in content], dim=1)
    weights = torch.randn(flat.shape[1], generator=generator(0, "probes/order"), dtype=torch.float64)
    return select(scored, (flat * weights).sum(dim=1).argsort().to(_device(scored)))


def _device(prompt: Prompt) -> torch.device:
    return prompt.x.device if isinstance(prompt, RegressionPrompt) else prompt.tokens.device
