"""A fixed set of prompts, as a training set has: how batches are drawn from it."""

import torch
from jaxtyping import Float
from torch import Tensor

from tasks.prompt import RegressionPrompt


def drawn_from(prompt_set: RegressionPrompt, batch: int, generator: torch.Generator) -> RegressionPrompt:
    """`batch` prompts of a set: each of them once, in random order, before any of them twice.

    >>> x = torch.arange(3.0).view(3, 1, 1)
    >>> prompt = drawn_from(RegressionPrompt(x, x, x, x), 6, torch.Generator().manual_seed(0))
    >>> sorted(prompt.x[:3].flatten().tolist()), sorted(prompt.x[3:].flatten().tolist())
    ([0.0, 1.0, 2.0], [0.0, 1.0, 2.0])
    """
    rounds = -(-batch // len(prompt_set))
    device = generator.device
    order = [torch.randperm(len(prompt_set), generator=generator, device=device) for _ in range(rounds)]
    return chosen(prompt_set.to(device), torch.cat(order)[:batch])


def chosen(prompt: RegressionPrompt, index: Tensor) -> RegressionPrompt:
    """The prompts of these numbers."""
    teacher = None if prompt.teacher is None else prompt.teacher[index]
    return RegressionPrompt(prompt.x[index], prompt.y[index], prompt.query[index], prompt.target[index], teacher)


def joined(blocks: list[RegressionPrompt]) -> RegressionPrompt:
    """All prompts of some blocks, in order; ValueError where one has no teachers."""
    return RegressionPrompt(
        torch.cat([block.x for block in blocks]),
        torch.cat([block.y for block in blocks]),
        torch.cat([block.query for block in blocks]),
        torch.cat([block.target for block in blocks]),
        torch.cat([set_teachers(block) for block in blocks]),
    )


def set_teachers(prompt: RegressionPrompt) -> Float[Tensor, "teacher d_in d_out"]:
    """The teachers of prompts; ValueError where there are none."""
    if prompt.teacher is None:
        raise ValueError("teacher: these prompts have none")
    return prompt.teacher
