"""Subjects with a known answer, for the tests of probes."""

from functools import cache

import torch

from mesa import InContextConfig, InContextTransformer, generator
from mesa.construction import from_products, gradient_step_model, weight_products
from mesa.learners import GradientDescent, PreconditionedGradientDescent
from probes import RegressionSubject
from tasks import LinearRegression, PairedReader

TASK = LinearRegression()
SCALES = (1.0,) * 5 + (0.25,) * 5
ANISOTROPIC = LinearRegression(scales=SCALES)


@cache
def tuned_size(task: LinearRegression = TASK) -> float:
    """One step's tuned step size, on prompts that no test scores."""
    return GradientDescent().fit(task.sample(20_000, generator(0, "tests/tuning"))).step_sizes[0]


def constructed(task: LinearRegression = TASK) -> RegressionSubject:
    """A model that performs the tuned gradient step exactly, in float64."""
    return RegressionSubject(gradient_step_model(tuned_size(task), d_in=10), PairedReader(), task)


def preconditioned(task: LinearRegression = ANISOTROPIC) -> RegressionSubject:
    """A model that performs the tuned preconditioned step exactly."""
    model = gradient_step_model(1.0, d_in=10, preconditioner=_tuned_preconditioner(task))
    return RegressionSubject(model, PairedReader(), task)


@cache
def _tuned_preconditioner(task: LinearRegression) -> torch.Tensor | None:
    return PreconditionedGradientDescent().fit(task.sample(20_000, generator(0, "tests/tuning"))).preconditioner


def untrained(task: LinearRegression = TASK) -> RegressionSubject:
    """A model as initialised, in float64."""
    return RegressionSubject(
        InContextTransformer(InContextConfig(), 11, seed=1, dtype=torch.float64), PairedReader(), task
    )


def rotated_basis(subject: RegressionSubject, seed: int = 0) -> RegressionSubject:
    """The same function with every head in another basis: W_Q R, W_K R^-T and W_V S, S^-1 W_O."""
    model = from_products(_transformer(subject), *weight_products(_transformer(subject)))
    for block in model.blocks:
        attn = block.attn
        width = attn.W_Q.shape[-1]
        draw = torch.randn(2, width, width, generator=generator(seed, "tests/basis"), dtype=attn.W_Q.dtype)
        R, S = draw + 3 * torch.eye(width, dtype=attn.W_Q.dtype)
        with torch.no_grad():
            attn.W_Q.copy_(attn.W_Q @ R)
            attn.W_K.copy_(attn.W_K @ torch.linalg.inv(R).T)
            attn.W_V.copy_(attn.W_V @ S)
            attn.W_O.copy_(torch.linalg.inv(S) @ attn.W_O)
    return RegressionSubject(model, subject.reader, subject.task)


def _transformer(subject: RegressionSubject) -> InContextTransformer:
    assert isinstance(subject.model, InContextTransformer)
    return subject.model
