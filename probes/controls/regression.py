"""Subjects that a probe must be able to tell from the model, and one that it must not."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from transformer_lens.model_bridge import TransformerBridge

from mesa.construction.gradient_step import gradient_step_model
from mesa.construction.products import from_products, weight_products
from mesa.construction.softmax_step import softmax_step_model
from mesa.learners import GradientDescent, PreconditionedGradientDescent
from mesa.models.in_context import InContextTransformer
from mesa.models.language import TokenTransformer
from mesa.rng import generator
from probes.controls.best_predictor import BestPredictor
from probes.controls.interleaved import constructed_interleaved, reversed_positions
from probes.controls.language import constructed_induction, constructed_pair_step, shuffled_tokens
from probes.controls.sine_fit import SineFit
from probes.pretrained import untrained_twin
from probes.subject import NOT_REGRESSION, Subject
from probes.weights.normalised_products import bare, construction, identified, readable
from tasks.prompt import RegressionPrompt
from tasks.readers.reader import Inputs, Reader
from tasks.regression.linear_regression import LinearRegression
from tasks.regression.sine import SineRegression
from tasks.task import Task

# A control subject, or the reason in one line why there is none.
Control = Callable[[Subject], Subject | str]
# Prompts on which constructed controls are tuned; no probe is scored on them.
TUNING = 10_000


def untrained(subject: Subject) -> Subject | str:
    """The same model with the weights that its seed started from (negative)."""
    if isinstance(subject.model, TransformerBridge):
        return replace(subject, model=untrained_twin(subject.model, subject.seed), step=0, control="untrained")
    if not isinstance(subject.model, InContextTransformer | TokenTransformer):
        return "this model cannot be initialised afresh: give its step-0 weights as a subject of their own"
    twin = copy.deepcopy(subject.model)
    # The weights are a function of the seed, so this is the step-0 checkpoint of a run.
    twin.initialise(subject.seed)
    return replace(subject, model=twin, step=0, control="untrained")


def shuffled_labels(subject: Subject) -> Subject | str:
    """The model sees context labels moved to other examples, a learner the clean prompt (negative)."""
    if subject.symbols:
        return NOT_REGRESSION
    return replace(subject, reader=ShuffledReader(subject.reader), control="shuffled_labels")


def shuffled_labels_both(subject: Subject) -> Subject | str:
    """Model and learner see the same moved labels: agreement is expected, so this contradicts nothing."""
    if subject.symbols:
        return NOT_REGRESSION
    return replace(subject, task=ShuffledTask(subject.task), control="shuffled_labels_both")


def constructed(subject: Subject) -> Subject | str:
    """Weights that perform tuned gradient descent exactly, GD++ where there are several layers (positive)."""
    reason = readable(subject)
    if reason is not None:
        return reason
    tuning = subject.prompts(TUNING, generator(subject.seed, "control/constructed"))
    return replace(subject, model=construction(subject, tuning)[1], control="constructed")


def constructed_gd(subject: Subject) -> Subject | str:
    """Weights that perform tuned gradient descent without curvature correction, a step per layer."""
    reason = readable(subject)
    if reason is not None:
        return reason
    tuning = subject.prompts(TUNING, generator(subject.seed, "control/constructed"))
    model = subject.model
    assert isinstance(model, InContextTransformer)
    plain = GradientDescent(steps=model.cfg.n_layers, clip=model.config.clip)
    return replace(subject, model=construction(subject, tuning, plain)[1], control="constructed_gd")


def constructed_preconditioned(subject: Subject) -> Subject | str:
    """Weights that perform one tuned, preconditioned step exactly."""
    reason = readable(subject)
    if reason is not None:
        return reason
    tuning = subject.prompts(TUNING, generator(subject.seed, "control/constructed"))
    learner = PreconditionedGradientDescent().fit(tuning)
    shape = {"d_in": tuning.x.shape[-1], "d_out": tuning.y.shape[-1], "dtype": tuning.x.dtype}
    model = gradient_step_model(1.0, preconditioner=learner.preconditioner, **shape)
    model = model.to(tuning.x.device, print_details=False)
    return replace(subject, model=model, control="constructed_preconditioned")


def constructed_softmax(subject: Subject) -> Subject | str:
    """Two softmax heads that perform one gradient step on centred inputs, tuned: the nearest that small scores come."""
    reason = bare(subject)
    if reason is not None:
        return reason
    tuning = subject.prompts(TUNING, generator(subject.seed, "control/constructed"))
    found = GradientDescent().fit(replace(tuning, x=tuning.x - tuning.x.mean(dim=1, keepdim=True)))
    shape = {"d_in": tuning.x.shape[-1], "d_out": tuning.y.shape[-1], "dtype": tuning.x.dtype}
    model = softmax_step_model(found.step_sizes[0], context=tuning.x.shape[1], **shape)
    return replace(subject, model=model.to(tuning.x.device, print_details=False), control="constructed_softmax")


def constructed_normed(subject: Subject) -> Subject | str:
    """The gradient step's weights behind the model's own norm, as initialised, with the step size of least loss."""
    model = subject.model
    if not isinstance(model, InContextTransformer):
        return "this model has no place to put other weights in"
    config = model.config
    if config.normalization is None or config.n_layers > 1 or set(config.kernels) != {"linear"}:
        return "for one layer of linear attention behind a norm"
    if config.d_mlp or config.input_mlp or config.d_model or config.d_head or config.n_heads > 1 or config.final_norm:
        return "for a norm and one head of linear attention, and nothing besides"
    tuning = subject.prompts(TUNING, generator(subject.seed, "control/constructed"))
    twin = replace(subject, model=_raw_step(model, tuning.x.shape[-1], 1.0), control="constructed_normed")
    # The prediction is linear in the step size.
    raw = twin.predict(tuning)
    size = float((raw * tuning.target).sum() / raw.square().sum())
    return replace(twin, model=_raw_step(model, tuning.x.shape[-1], size))


def _raw_step(model: InContextTransformer, d_in: int, size: float) -> InContextTransformer:
    fresh = copy.deepcopy(model)
    fresh.initialise(0)
    A, V = (torch.zeros_like(product) for product in weight_products(fresh))
    A[0, 0, :d_in, :d_in] = torch.eye(d_in)
    V[0, 0, d_in:, d_in:] = -size * torch.eye(V.shape[-1] - d_in)
    return from_products(fresh, A, V)


def fresh_teachers(subject: Subject) -> Subject | str:
    """The same model on prompts of new teachers, where it was trained on a finite set of them."""
    if getattr(subject.task, "teachers", None) is None:
        return "its teachers are fresh as it is"
    assert isinstance(subject.task, LinearRegression)
    return replace(subject, task=replace(subject.task, teachers=None), control="fresh_teachers")


def identified_only(subject: Subject) -> Subject | str:
    """The model with every weight product that the loss cannot see set to zero: the same predictions, by definition.

    What it does differently when it is applied again, those entries did: they are still as they were initialised.
    """
    reason = readable(subject)
    if reason is not None:
        return reason
    model = subject.model
    assert isinstance(model, InContextTransformer)
    prompt = subject.prompts(1, generator(subject.seed, "control/identified_only"))
    A, V = weight_products(model)
    seen_A, seen_V = identified(model.cfg.n_layers, prompt.x.shape[-1], prompt.y.shape[-1])
    kept = from_products(model, A * seen_A.to(A)[:, None], V * seen_V.to(V)[:, None])
    return replace(subject, model=kept, control="identified_only")


def sine_fit(subject: Subject) -> Subject | str:
    """The curve through the context, by least squares: the right answer by other means (negative)."""
    if not isinstance(subject.task, SineRegression):
        return "only sine curves can be fitted by a sine"
    like = next(subject.model.parameters())
    return replace(subject, model=SineFit(subject.task.context).to(like.device, like.dtype), control="sine_fit")


def best_predictor(subject: Subject) -> Subject | str:
    """The best predictor there is in the model's place, where it is known in closed form (positive)."""
    if not subject.symbols or not hasattr(subject.task, "best"):
        return "for language models on a task whose best predictor is known"
    like = next(subject.model.parameters())
    return replace(subject, model=BestPredictor(subject.task).to(like.device), control="best_predictor")


CONTROLS: dict[str, Control] = {
    "untrained": untrained,
    "shuffled_labels": shuffled_labels,
    "shuffled_labels_both": shuffled_labels_both,
    "constructed": constructed,
    "constructed_gd": constructed_gd,
    "constructed_preconditioned": constructed_preconditioned,
    "constructed_softmax": constructed_softmax,
    "constructed_interleaved": constructed_interleaved,
    "constructed_normed": constructed_normed,
    "reversed_positions": reversed_positions,
    "fresh_teachers": fresh_teachers,
    "identified_only": identified_only,
    "sine_fit": sine_fit,
    "best_predictor": best_predictor,
    "shuffled_tokens": shuffled_tokens,
    "constructed_induction": constructed_induction,
    "constructed_pair_step": constructed_pair_step,
}


def shuffled(prompt: RegressionPrompt) -> RegressionPrompt:
    """Every label moved to the next example: examples are exchangeable, so any derangement shuffles alike.

    >>> x = torch.zeros(1, 3, 2)
    >>> prompt = RegressionPrompt(x, torch.arange(3.0)[None, :, None], x[:, :1], torch.zeros(1, 1, 1))
    >>> shuffled(prompt).y.flatten().tolist()
    [2.0, 0.0, 1.0]
    """
    return replace(prompt, y=prompt.y.roll(1, dims=1))


@dataclass(frozen=True, eq=False)
class ShuffledReader:
    """A reader that shows the model shuffled labels."""

    base: Reader

    def encode(self, prompt: RegressionPrompt) -> Inputs:
        """Lay out the shuffled prompts."""
        return self.base.encode(shuffled(prompt))

    def decode(self, resid: Tensor, inputs: Inputs) -> Tensor:
        """As the base reader."""
        return self.base.decode(resid, inputs)

    def loss(self, prediction: Tensor, prompt: RegressionPrompt) -> Tensor:
        """As the base reader."""
        return self.base.loss(prediction, prompt)


@dataclass(frozen=True, eq=False)
class ShuffledTask:
    """A task whose prompts have shuffled labels for everyone; targets stay those of the teacher."""

    base: Task

    def sample(self, batch: int, generator: torch.Generator, queries: int = 1) -> RegressionPrompt:
        """Draw prompts and shuffle their labels."""
        return shuffled(self.base.sample(batch, generator, queries))

    def best(self, prompt: RegressionPrompt) -> Tensor | None:
        """Not known."""
        return None
