"""Training prompts drawn faster, bit for bit those that the task draws itself."""

from collections.abc import Callable
from typing import TypeAlias

import torch

from mesa.fast.support import Way
from tasks.prompt import Prompt, RegressionPrompt
from tasks.regression.linear_regression import LinearRegression
from tasks.task import Task, TokenTask

Sampler: TypeAlias = Callable[[int, torch.Generator], Prompt]
"""Prompts of a batch, from a generator that was just seeded."""


def sampler(task: Task | TokenTask, way: Way) -> Sampler:
    """The task's `sample`; where the kernel computes the loss, it draws uniform inputs by vectors of numbers."""
    if way != "kernel" or type(task) is not LinearRegression or task.law != "uniform" or task.prompts:
        return task.sample
    from mesa.fast.kernel.machine import machine
    from mesa.fast.kernel.uniform import uniform_of

    vectors = machine(32)
    draw = vectors and uniform_of(vectors)
    if draw is None:
        return task.sample
    width = task.input_scale

    def sample(batch: int, generator: torch.Generator) -> RegressionPrompt:
        # The task draws numbers of torch's default type.
        if torch.get_default_dtype() != torch.float32:
            return task.sample(batch, generator)
        x = draw((batch, task.context + 1, task.d_in), -width, width, generator)
        return task.labelled(task.scale_inputs(x), task.draw_teachers(batch, generator), generator)

    return sample
