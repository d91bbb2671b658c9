"""Predictors in a model's place: a sine fitted to the context, a task's best predictor."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from probes.subject import LanguageSubject, RegressionSubject
from tasks.predictor import TokenPredictor
from tasks.prompt import RegressionPrompt, TokenPrompt
from tasks.regression.sine import SineRegression


def sine_fit(subject: RegressionSubject) -> RegressionSubject | str:
    """The curve through the context, by least squares: the right answer without gradient descent (negative)."""
    if not isinstance(subject.task, SineRegression):
        return "only sine curves can be fitted by a sine"
    return replace(subject, model=SineFit(), control="sine_fit", **_dtype_and_device(subject))


def best_predictor(subject: LanguageSubject) -> LanguageSubject | str:
    """The best predictor in the model's place, where it is known in closed form (positive)."""
    predictor = subject.task.bayes_predictor()
    if predictor is None:
        return "for language models on a task whose best predictor is known"
    return replace(subject, model=BestPredictor(predictor), control="best_predictor", **_dtype_and_device(subject))


def _dtype_and_device(subject: RegressionSubject | LanguageSubject) -> dict[str, torch.dtype | torch.device]:
    # A predictor has no weights from which the dtype and the device of prompts could be read.
    return {"prompt_dtype": subject.dtype, "prompt_device": subject.device}


@dataclass(frozen=True)
class SineFit:
    """The prediction A sin x_q + B cos x_q, with A and B fitted to the context.

    A and B are least squares; without noise, and with two examples or more, the prediction is the curve itself.

    >>> x = torch.tensor([[[0.0], [1.0], [2.0], [3.0]]], dtype=torch.float64)
    >>> y = 0.3 * torch.sin(x + 1.0)
    >>> prompt = RegressionPrompt(x[:, :3], y[:, :3], query=x[:, 3:], target=y[:, 3:])
    >>> bool((SineFit().predict(prompt)[0] - prompt.target).abs() < 1e-12)
    True
    """

    name: str = "sine_fit"

    def predict(self, prompt: RegressionPrompt) -> Float[Tensor, "learner_step batch query d_out"]:
        """The fitted curve at the queries, as one step."""
        x, query = (torch.cat([inputs.sin(), inputs.cos()], dim=-1) for inputs in (prompt.x, prompt.query))
        return (query @ torch.linalg.solve(x.mT @ x, x.mT @ prompt.y))[None]

    def weights(self, prompt: RegressionPrompt) -> None:
        """None: the curve is not linear in the query."""
        return


@dataclass(frozen=True)
class BestPredictor:
    """A token task's Bayes predictor, with finite logarithms.

    >>> from tasks import MarkovChain
    >>> task = MarkovChain(vocabulary=3, length=4)
    >>> BestPredictor(task.bayes_predictor()).log_probabilities(task.sample(2, torch.Generator().manual_seed(0))).shape
    torch.Size([2, 4, 4])
    """

    predictor: TokenPredictor
    name: str = "best"

    def log_probabilities(self, prompt: TokenPrompt) -> Float[Tensor, "batch pos d_vocab"]:
        """The logarithms of the best next-token distributions; -100 for a token that cannot come."""
        # A finite logarithm keeps a mean over the vocabulary finite.
        return self.predictor.log_probabilities(prompt).clamp(min=-100.0)
