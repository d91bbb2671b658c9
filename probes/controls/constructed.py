"""Weights of linear attention that perform a known algorithm exactly."""

from dataclasses import replace

from mesa.construction.gradient_step import gradient_step_model
from mesa.construction.products import from_products, weight_products
from mesa.learners import GradientDescent, PreconditionedGradientDescent
from mesa.rng import generator
from probes.subject import RegressionSubject
from probes.weights.normalised_products import construction, identified, why_not_single_linear_head
from tasks.prompt import RegressionPrompt
from tasks.readers.paired import PairedReader
from tasks.regression.linear_regression import LinearRegression

# Prompts on which constructed controls are tuned; no probe is scored on them.
TUNING = 10_000


def tuning_prompts(subject: RegressionSubject) -> RegressionPrompt:
    """The prompts on which every constructed control of a subject is tuned."""
    return subject.prompts(TUNING, generator(subject.seed, "control/constructed"))


def constructed(subject: RegressionSubject) -> RegressionSubject | str:
    """Weights that perform tuned gradient descent exactly, GD++ where there are several layers (positive)."""
    reason = why_not_single_linear_head(subject)
    if reason is not None:
        return reason
    return replace(subject, model=construction(subject, tuning_prompts(subject)), control="constructed")


def constructed_gd(subject: RegressionSubject) -> RegressionSubject | str:
    """Weights that perform tuned gradient descent without curvature correction, a step per layer (positive)."""
    reason = why_not_single_linear_head(subject)
    if reason is not None:
        return reason
    plain = GradientDescent(steps=subject.n_layers, clip=subject.with_weights().config.clip)
    model = construction(subject, tuning_prompts(subject), plain)
    return replace(subject, model=model, control="constructed_gd")


def constructed_single_head(subject: RegressionSubject) -> RegressionSubject | str:
    """One linear head a layer, and nothing else, that performs tuned GD++ with a step per layer (positive).

    Unlike `constructed` it has none of the model's own parts. It is for models with several heads, a norm or an MLP.
    """
    if subject.transformer is None or subject.n_layers < 2:
        return "for models of several layers"
    if not isinstance(subject.reader, PairedReader) or not isinstance(subject.task, LinearRegression):
        return "GD++ is constructed for linear regression on paired tokens"
    model = construction(subject, tuning_prompts(subject))
    return replace(subject, model=model, control="constructed_single_head")


def constructed_preconditioned(subject: RegressionSubject) -> RegressionSubject | str:
    """Weights that perform one tuned, preconditioned step exactly (positive)."""
    reason = why_not_single_linear_head(subject)
    if reason is not None:
        return reason
    tuning = tuning_prompts(subject)
    learner = PreconditionedGradientDescent().fit(tuning)
    model = gradient_step_model(
        1.0,
        preconditioner=learner.preconditioner,
        d_in=tuning.x.shape[-1],
        d_out=tuning.y.shape[-1],
        dtype=tuning.x.dtype,
    )
    model = model.to(tuning.x.device, print_details=False)
    return replace(subject, model=model, control="constructed_preconditioned")


def identified_only(subject: RegressionSubject) -> RegressionSubject | str:
    """The model with every weight product that the loss cannot see set to zero: the same predictions, by definition.

    These entries get no gradient, so they keep their initial values. They act only from the second application of the
    layer on. Comparing this control with the model shows how much of a roll-out's error comes from them.
    """
    reason = why_not_single_linear_head(subject)
    if reason is not None:
        return reason
    model = subject.with_weights()
    prompt = subject.prompts(1, generator(subject.seed, "control/identified_only"))
    A, V = weight_products(model)
    mask_A, mask_V = identified(model.cfg.n_layers, prompt.x.shape[-1], prompt.y.shape[-1])
    identified_model = from_products(model, A * mask_A.to(A)[:, None], V * mask_V.to(V)[:, None])
    return replace(subject, model=identified_model, control="identified_only")
