"""Which prompts a model in training is tested on."""

from tasks.regression.linear_regression import LinearRegression
from tasks.task import Task, TokenTask


def held_out_task(task: Task | TokenTask) -> Task | TokenTask:
    """The task that held-out prompts are drawn from: without its fixed set of prompts, which training steps use.

    >>> held_out_task(LinearRegression(prompts=128)).prompts
    """
    # A fixed set of teachers stays: its inputs are new for every prompt.
    return task.fresh() if isinstance(task, LinearRegression) and task.prompts is not None else task
