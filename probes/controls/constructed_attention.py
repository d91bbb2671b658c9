"""Weights that perform one gradient step in other attention: softmax, behind a norm, or on interleaved tokens."""

import copy
from dataclasses import replace
from typing import Any

import torch
from scipy.optimize import minimize_scalar

from mesa.construction.interleaved_step import interleaved_step_model
from mesa.construction.products import from_products, weight_products
from mesa.construction.softmax_step import softmax_step_model
from mesa.learners import GradientDescent
from mesa.models.in_context import InContextTransformer
from probes.behaviour.agreement import SEARCHED
from probes.controls.constructed import tuning_prompts
from probes.subject import RegressionSubject
from probes.weights.normalised_products import why_not_attention_only
from tasks.prompt import RegressionPrompt
from tasks.readers.interleaved import InterleavedReader
from tasks.readers.reader import half_squared_error

# The share of what label tokens add that `constructed_undercorrected` removes.
REMOVED = 0.75


def constructed_softmax(subject: RegressionSubject) -> RegressionSubject | str:
    """Two softmax heads that perform one tuned gradient step on centred inputs, to first order in the scores."""
    reason = why_not_attention_only(subject)
    if reason is not None:
        return reason
    tuning = tuning_prompts(subject)
    learner = GradientDescent().fit(replace(tuning, x=tuning.x - tuning.x.mean(dim=1, keepdim=True)))
    shape = {"d_in": tuning.x.shape[-1], "d_out": tuning.y.shape[-1], "dtype": tuning.x.dtype}
    model = softmax_step_model(learner.step_sizes[0], context=tuning.x.shape[1], **shape)
    return replace(subject, model=model.to(tuning.x.device, print_details=False), control="constructed_softmax")


def constructed_softmax_shared(subject: RegressionSubject) -> RegressionSubject | str:
    """These heads with as large entries off the diagonal, the same in both: the sum cancels them (positive).

    The values of the two heads have opposite signs. So what their A share adds up to zero, and the prediction is the
    same to first order in the scores.
    """
    return _with_entries_off_diagonal(subject, 1.0, "constructed_softmax_shared")


def constructed_softmax_skewed(subject: RegressionSubject) -> RegressionSubject | str:
    """These heads with such entries of opposite signs: they add up to a step with a wrong preconditioner (negative)."""
    return _with_entries_off_diagonal(subject, -1.0, "constructed_softmax_skewed")


def _with_entries_off_diagonal(subject: RegressionSubject, second: float, name: str) -> RegressionSubject | str:
    """The constructed softmax heads with the same matrix added to A of both, times `second` in the second head."""
    control = constructed_softmax(subject)
    if isinstance(control, str):
        return control
    model = control.with_weights()
    d_in = tuning_prompts(subject).x.shape[-1]
    if d_in < 2:
        return "inputs of one entry have nothing off the diagonal"
    A, V = weight_products(model)
    # A shift of the coordinates: the norm of the diagonal, and nothing on it.
    beside = A[0, 0, :d_in, :d_in].roll(1, dims=1)
    A[0, :, :d_in, :d_in] += beside * A.new_tensor([1.0, second])[:, None, None]
    return replace(control, model=from_products(model, A, V), control=name)


def constructed_interleaved(subject: RegressionSubject) -> RegressionSubject | str:
    """Weights that copy and then perform one tuned gradient step, on interleaved tokens with one-hot positions."""
    if not isinstance(subject.reader, InterleavedReader):
        return "for interleaved tokens"
    tuning = tuning_prompts(subject)
    if tuning.y.shape[-1] > 1:
        return "the construction copies one label, and there are several"
    step_size = GradientDescent().fit(tuning).step_sizes[0]
    shape = {"d_in": tuning.x.shape[-1], "context": tuning.x.shape[1], "dtype": tuning.x.dtype}
    model = interleaved_step_model(step_size, **shape).to(tuning.x.device, print_details=False)
    reader = InterleavedReader(one_hot=True)
    return replace(subject, model=model, reader=reader, control="constructed_interleaved")


def constructed_undercorrected(subject: RegressionSubject) -> RegressionSubject | str:
    """These weights with too little removed of what label tokens add, and the step size of least loss (negative).

    Each label is still in part taken for an input. At d_in = context = 10 the loss is 1.3 times that of one step.
    """
    control = constructed_interleaved(subject)
    if isinstance(control, str):
        return control
    A, V = weight_products(control.with_weights())
    V[1, 1] *= REMOVED
    V[1] *= _best_scale(replace(control, model=from_products(control.with_weights(), A, V)), tuning_prompts(subject))
    return replace(control, model=from_products(control.with_weights(), A, V), control="constructed_undercorrected")


def _best_scale(subject: RegressionSubject, prompt: RegressionPrompt) -> float:
    """The factor with which a prediction that is linear in the step size has the least loss."""
    prediction = subject.predict(prompt)
    return float((prediction * prompt.target).sum() / prediction.square().sum())


def constructed_normed(subject: RegressionSubject) -> RegressionSubject | str:
    """Gradient steps' weights behind the model's own norm, as initialised, with the step size of least loss.

    A layer is a step, and all have one step size; several layers have to be tied.
    """
    model = subject.transformer
    if model is None:
        return "this model has no place to put other weights in"
    config = model.config
    if config.normalization is None or set(config.kernels) != {"linear"} or (config.n_layers > 1 and not config.tied):
        return "for one layer of linear attention behind a norm, or for tied ones"
    if config.d_mlp or config.input_mlp or config.d_model or config.d_head or config.n_heads > 1 or config.final_norm:
        return "for a norm and one head of linear attention, without MLP, embedding or final norm"
    tuning = tuning_prompts(subject)
    d_in = tuning.x.shape[-1]
    # The first layer's step is linear in its size.
    step = replace(subject, model=_steps_behind_norm(model, d_in, 1.0)).layers(tuning)[1]
    step_size = float((step * tuning.target).sum() / step.square().sum())
    if config.n_layers > 1:
        searched = tuning.batch(0, SEARCHED)

        def loss(size: float) -> float:
            steps = replace(subject, model=_steps_behind_norm(model, d_in, size))
            return half_squared_error(steps.predict(searched), searched.target).item()

        # Several steps need smaller ones than a single step does, or not much larger ones.
        end: Any = minimize_scalar(loss, bounds=(0.0, 1.5 * step_size), method="bounded")
        step_size = float(end.x)
    scaled_steps = _steps_behind_norm(model, d_in, step_size)
    return replace(subject, model=scaled_steps, control="constructed_normed")


def _steps_behind_norm(model: InContextTransformer, d_in: int, step_size: float) -> InContextTransformer:
    fresh = copy.deepcopy(model)
    fresh.initialise(0)
    A, V = (torch.zeros_like(product) for product in weight_products(fresh))
    A[:, 0, :d_in, :d_in] = torch.eye(d_in)
    V[:, 0, d_in:, d_in:] = -step_size * torch.eye(V.shape[-1] - d_in)
    return from_products(fresh, A, V)
