"""Impostors that agree with a named algorithm in distribution and leave it on other prompts."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch

from analyses.benchmarks.calibration_plants import defects
from analyses.benchmarks.calibration_plants.defects import gd
from analyses.benchmarks.described_plant import (
    Build,
    DescribedPlant,
    Rule,
    from_rule,
    from_weights,
    largest_stable_size,
)
from mesa.config.model import InContextConfig
from mesa.construction.gradient_step import gradient_step_model, gradient_step_products
from mesa.construction.products import from_products
from mesa.learners.ridge import Ridge
from mesa.models.in_context import InContextTransformer
from probes.controls.planted import Planted, last_step
from tasks.regression.linear_regression import LinearRegression
from tasks.regression.shifts import InputScale, TeacherScale
from tasks.task import Task

# Each task comes with the rules or weights of its impostor: they need its step size and its typical trace.
Parts = tuple[Build, Rule]


def _inside_only(
    imitates: str, description: str, task: LinearRegression, parts: Parts, shift: Task, departure: float
) -> DescribedPlant:
    build, reference = parts
    also = (f"{imitates}, in distribution only",)
    return DescribedPlant("none", description, task, build, reference, also, imitates, shift, departure)


def _typical_trace(task: LinearRegression) -> float:
    """The mean trace of S for inputs without scales: N d v."""
    return task.context * task.d_in * task.input_scale**2 * (1.0 if task.law == "normal" else 1.0 / 3.0)


def _parts(task: LinearRegression, reference: Rule, mimic: Callable[[Rule], Rule]) -> Parts:
    return from_rule(mimic(reference), task.d_in), reference


def _longer(task: LinearRegression) -> LinearRegression:
    return replace(task, context=2 * task.context)


def _private_pool(task: LinearRegression, teachers: int) -> Build:
    """The nearest of this many teachers, which the model has drawn for itself."""

    def build(generator: torch.Generator) -> Planted:
        return Planted(defects.nearest_teacher(torch.randn(teachers, task.d_in, generator=generator)))

    return build


def _with_label_scores(size: float, steps: int, share: float) -> InContextTransformer:
    """Gradient descent on `_PRODUCTS` whose scores are x_j . x_i + share r_j r_i, with r what the labels have left."""
    A, V = gradient_step_products(size, d_in=_PRODUCTS.d_in, steps=steps)
    A[..., -1, -1] = share
    model = InContextTransformer(InContextConfig(n_layers=steps), _PRODUCTS.d_in + 1, dtype=torch.float64)
    return from_products(model, A, V)


_PRODUCTS = LinearRegression(d_in=6, context=24)
_STEP = LinearRegression(d_in=8, context=20, law="normal", input_scale=1.0)
_THREE = LinearRegression(d_in=10, context=30, input_scale=0.8)
_CURVED = LinearRegression(d_in=6, context=24, law="normal", input_scale=0.5)
_CURVED_LONG = LinearRegression(d_in=12, context=48)
_CAPPED = LinearRegression(d_in=16, context=40, input_scale=1.0)
_CLIPPED = LinearRegression(d_in=8, context=16)
_TANH = LinearRegression(d_in=5, context=25, law="normal", input_scale=0.6)
_NOISY = LinearRegression(d_in=4, context=18, law="normal", input_scale=1.0, label_noise=0.4)
_SWITCH = LinearRegression(d_in=14, context=56, input_scale=1.0)
_POLYNOMIAL = LinearRegression(d_in=7, context=21, law="normal", input_scale=0.7)
_POOL = LinearRegression(d_in=2, context=10, input_scale=1.0, label_noise=0.2)
_LATE = LinearRegression(d_in=9, context=36, law="normal", input_scale=1.0, label_noise=1.5)

_CURVED_SIZE, _LONG_SIZE = 1.2 * largest_stable_size(_CURVED), 0.9 * largest_stable_size(_CURVED_LONG)

INSIDE_ONLY: list[DescribedPlant] = [
    _inside_only(
        "gd 3",
        "none beyond distribution: weights of gd 3 whose scores also hold products of labels, which grow with them.",
        _PRODUCTS,
        (
            from_weights(partial(_with_label_scores, 0.7 * largest_stable_size(_PRODUCTS), 3, 0.01)),
            gd(0.7 * largest_stable_size(_PRODUCTS), 3),
        ),
        TeacherScale(_PRODUCTS, 2.5),
        0.3,
    ),
    _inside_only(
        "gd 1",
        "none beyond distribution: gd 1 whose size goes as 1 / tr S, which is nearly one number at the trained N.",
        _STEP,
        _parts(
            _STEP,
            gd(0.6 * largest_stable_size(_STEP), 1),
            lambda rule: defects.scaled_context(rule, _typical_trace(_STEP)),
        ),
        _longer(_STEP),
        0.4,
    ),
    _inside_only(
        "gd 3",
        "none beyond distribution: gd 3 whose size goes as 1 / tr S, so it stays stable where gd 3 diverges.",
        _THREE,
        _parts(
            _THREE,
            gd(0.9 * largest_stable_size(_THREE), 3),
            lambda rule: defects.scaled_context(rule, _typical_trace(_THREE)),
        ),
        InputScale(_THREE, 1.25),
        0.3,
    ),
    _inside_only(
        "gd_plus_plus 2",
        "none beyond distribution: GD++ with exp(-gamma S) in the place of I - gamma S.",
        _CURVED,
        (
            from_rule(defects.exponential_correction(_CURVED_SIZE, 0.4 * _CURVED_SIZE, 2), _CURVED.d_in),
            gd(_CURVED_SIZE, 2, 0.4 * _CURVED_SIZE),
        ),
        _longer(_CURVED),
        0.3,
    ),
    _inside_only(
        "gd_plus_plus 3",
        "none beyond distribution: gd_plus_plus 3 on contexts that are first scaled to one norm.",
        _CURVED_LONG,
        _parts(
            _CURVED_LONG,
            gd(_LONG_SIZE, 3, 0.3 * _LONG_SIZE),
            lambda rule: defects.scaled_context(rule, _typical_trace(_CURVED_LONG)),
        ),
        _longer(_CURVED_LONG),
        0.3,
    ),
    _inside_only(
        "gd 2",
        "none beyond distribution: gd 2 whose weights are shortened to a norm that few teachers have.",
        _CAPPED,
        (
            from_rule(defects.capped_weights(0.8 * largest_stable_size(_CAPPED), 2, 4.3), _CAPPED.d_in),
            gd(0.8 * largest_stable_size(_CAPPED), 2),
        ),
        _longer(_CAPPED),
        0.3,
    ),
    _inside_only(
        "gd 4",
        "none beyond distribution: weights of gd 4 whose tokens are clipped at twice the labels' deviation.",
        _CLIPPED,
        (
            from_weights(partial(gradient_step_model, 0.8 * largest_stable_size(_CLIPPED), d_in=8, steps=4, clip=1.8)),
            gd(0.8 * largest_stable_size(_CLIPPED), 4),
        ),
        TeacherScale(_CLIPPED, 2.5),
        0.3,
    ),
    _inside_only(
        "gd 1",
        "none beyond distribution: the prediction of gd 1 through a tanh that bends at four of its deviations.",
        _TANH,
        _parts(_TANH, gd(0.5 * largest_stable_size(_TANH), 1), lambda rule: defects.saturating_output(rule, 3.0)),
        TeacherScale(_TANH, 4.0),
        0.3,
    ),
    _inside_only(
        "ridge",
        "none beyond distribution: ridge on labels through a tanh, which larger teachers reveal.",
        _NOISY,
        _parts(_NOISY, last_step(Ridge(0.16)), lambda rule: defects.saturating_labels(rule, 6.0)),
        TeacherScale(_NOISY, 3.0),
        0.3,
    ),
    _inside_only(
        "gd 4",
        "none beyond distribution: gd 4 where the inputs' norm is one that training has, and gd 1 above it.",
        _SWITCH,
        _parts(
            _SWITCH,
            gd(0.35 * largest_stable_size(_SWITCH), 4),
            lambda rule: defects.switched(
                rule, gd(0.35 * largest_stable_size(_SWITCH), 1), 1.15 * _typical_trace(_SWITCH)
            ),
        ),
        InputScale(_SWITCH, 1.25),
        0.3,
    ),
    _inside_only(
        "ridge",
        "none beyond distribution: a polynomial in S that is ridge on the trained eigenvalues and explodes above them.",
        _POLYNOMIAL,
        _parts(
            _POLYNOMIAL,
            last_step(Ridge(3.0)),
            lambda rule: defects.polynomial_ridge(3.0, 30.0, 5),
        ),
        _longer(_POLYNOMIAL),
        0.3,
    ),
    _inside_only(
        "least_squares",
        "none beyond distribution: the best of 400 memorised teachers, so dense that it is nearly least squares.",
        _POOL,
        (_private_pool(_POOL, 400), last_step(Ridge.least_squares())),
        TeacherScale(_POOL, 4.0),
        0.3,
    ),
    _inside_only(
        "ridge",
        "none beyond distribution: ridge whose penalty grows as the fourth power of the trace of S.",
        _LATE,
        _parts(
            _LATE,
            last_step(Ridge(9.0)),
            # Ridge on inputs times f is ridge with the penalty divided by f^2: f^2 = (typical / trace)^4.
            lambda rule: defects.scaled_context(rule, _typical_trace(_LATE), 2.0),
        ),
        _longer(_LATE),
        0.3,
    ),
]
