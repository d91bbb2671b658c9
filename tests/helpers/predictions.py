"""Predictions of a task's Bayes predictor."""

from torch import Tensor

from tasks import RegressionPrompt, Task, TokenPrompt, TokenTask


def bayes_prediction(task: Task, prompt: RegressionPrompt) -> Tensor:
    """The prediction of least expected loss, of a task that has one in closed form."""
    predictor = task.bayes_predictor()
    assert predictor is not None
    return predictor.predict(prompt)[0]


def bayes_log_probabilities(task: TokenTask, prompt: TokenPrompt) -> Tensor:
    """The log-probabilities of least expected loss, of a task that has them in closed form."""
    predictor = task.bayes_predictor()
    assert predictor is not None
    return predictor.log_probabilities(prompt)
