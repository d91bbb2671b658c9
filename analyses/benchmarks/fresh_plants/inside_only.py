"""Impostors that are a named algorithm on their own task alone: larger labels, larger inputs or longer contexts tell.

Each description names the shift. A factor of 2 on the teachers doubles the labels and leaves the inputs alone.
"""

from dataclasses import replace

from analyses.benchmarks.blind_plants.plant import BlindPlant, from_rule, from_weights, largest_stable_size
from analyses.benchmarks.fresh_plants.planting import inside_only
from analyses.benchmarks.fresh_plants.rules import (
    by_label_size,
    first,
    limited_velocity,
    relative_kernel,
    relative_trace,
    rescaled,
    ridge_by_labels,
    saturating,
    share_of_neighbours,
)
from mesa.construction import from_products, gradient_step_model
from mesa.construction.gradient_step import gradient_step_products
from mesa.learners import (
    ConjugateGradients,
    GradientDescent,
    KernelRegression,
    MeanLabel,
    Momentum,
    NearestNeighbours,
    Newton,
    Ridge,
)
from mesa.models.in_context import InContextTransformer
from probes.controls.planted import last_step
from tasks.regression.linear_regression import LinearRegression
from tasks.regression.shifts import InputScale, TeacherScale


def _label_scores(size: float, share: float, d_in: int) -> InContextTransformer:
    """Weights of two gradient steps; the second layer's scores also hold `share` times the product of two labels."""
    A, V = gradient_step_products(size, d_in=d_in, steps=2)
    A[1, 0, d_in:, d_in:] = share
    return from_products(gradient_step_model(size, d_in=d_in, steps=2), A, V)


_CLIP = LinearRegression(d_in=5, context=22, input_scale=0.5)
_CLIP_SIZE = 0.6 * largest_stable_size(_CLIP)
_SCORED = LinearRegression(d_in=6, context=14, law="normal", input_scale=0.5)
_SCORED_SIZE = 0.6 * largest_stable_size(_SCORED)
_LONG = LinearRegression(d_in=9, context=50, input_scale=0.8)
_LONG_GD = last_step(GradientDescent(0.8 * largest_stable_size(_LONG), 3))
_LONG_SIZE = 0.5 * largest_stable_size(_LONG)
_SATURATED = LinearRegression(d_in=8, context=9, law="normal", input_scale=0.35)
_RIDGE = last_step(Ridge(0.1))
_FIRST = LinearRegression(d_in=12, context=15, input_scale=0.9)
_CONJUGATE = last_step(ConjugateGradients(2))
_PENALISED = LinearRegression(d_in=14, context=28, input_scale=0.46)
_LABELS = LinearRegression(d_in=16, d_out=2, context=32, input_scale=0.433)
_SHARE = LinearRegression(d_in=3, context=20, law="normal", input_scale=0.7)
_KERNEL = LinearRegression(d_in=5, context=40, input_scale=1.0)
_BALL = LinearRegression(d_in=4, context=16, input_scale=0.9)
_BALL_SIZE = 0.6 * largest_stable_size(_BALL)
_NEWTON = LinearRegression(d_in=7, context=42, law="normal", input_scale=0.6)
_NEWTON_RULE = last_step(Newton(1, 0.3 * largest_stable_size(_NEWTON) ** 2, fit_scale=True))
_MEAN = LinearRegression(d_in=10, context=8, input_scale=0.6)
_EXACT = LinearRegression(d_in=6, context=13, input_scale=0.7)
_LEAST_SQUARES = last_step(Ridge.least_squares())

INSIDE_ONLY: list[BlindPlant] = [
    inside_only(
        "gd 1",
        "weights of one step whose outputs are clamped, which is rare until the teachers are twice as large.",
        _CLIP,
        from_weights(lambda: gradient_step_model(_CLIP_SIZE, d_in=5, clip=1.15)),
        last_step(GradientDescent(_CLIP_SIZE)),
        TeacherScale(_CLIP, 2.0),
        0.2,
    ),
    inside_only(
        "gd 2",
        "weights of two steps whose second scores also hold products of labels; teachers twice as large tell.",
        _SCORED,
        from_weights(lambda: _label_scores(_SCORED_SIZE, 0.2, 6)),
        last_step(GradientDescent(_SCORED_SIZE, 2)),
        TeacherScale(_SCORED, 2.0),
        0.35,
    ),
    inside_only(
        "gd 3",
        "three steps on inputs and queries that are rescaled to the training norm; inputs twice as large tell.",
        _LONG,
        from_rule(rescaled(_LONG_GD, _LONG), 9, 0.01),
        _LONG_GD,
        InputScale(_LONG, 2.0),
        0.75,
    ),
    inside_only(
        "gd 1",
        "one step whose size is divided by the inputs' mean square; inputs 1.5 times as large tell.",
        _LONG,
        from_rule(lambda prompt: last_step(GradientDescent(_LONG_SIZE))(prompt) / relative_trace(prompt, _LONG), 9),
        last_step(GradientDescent(_LONG_SIZE)),
        InputScale(_LONG, 1.5),
        0.4,
    ),
    inside_only(
        "ridge",
        "ridge regression behind a saturating output; teachers twice as large tell.",
        _SATURATED,
        from_rule(saturating(_RIDGE, 2.4), 8, 0.01),
        _RIDGE,
        TeacherScale(_SATURATED, 2.0),
        0.2,
    ),
    inside_only(
        "conjugate_gradients 2",
        "two conjugate gradients on the first 15 examples; a context of 30 tells.",
        _FIRST,
        from_rule(first(_CONJUGATE, 15), 12),
        _CONJUGATE,
        replace(_FIRST, context=30),
        0.3,
    ),
    inside_only(
        "gd 1",
        "one step whose size falls with the labels' size; teachers twice as large tell.",
        _LABELS,
        from_rule(lambda prompt: by_label_size(prompt, 0.2), 16),
        last_step(GradientDescent(0.2)),
        TeacherScale(_LABELS, 2.0),
        0.35,
    ),
    inside_only(
        "ridge",
        "ridge regression whose penalty grows with the labels; teachers twice as large tell.",
        _PENALISED,
        from_rule(lambda prompt: ridge_by_labels(prompt, 0.4), 14),
        last_step(Ridge(0.4)),
        TeacherScale(_PENALISED, 2.0),
        0.25,
    ),
    inside_only(
        "nearest_neighbours",
        "nearest neighbours with k = N / 10, which is 2 in training; a context of 40 tells.",
        _SHARE,
        from_rule(lambda prompt: share_of_neighbours(prompt, 0.1), 3),
        last_step(NearestNeighbours(2)),
        replace(_SHARE, context=40),
        0.2,
    ),
    inside_only(
        "kernel_regression",
        "kernel regression with a bandwidth relative to the inputs; inputs twice as large tell.",
        _KERNEL,
        from_rule(lambda prompt: relative_kernel(prompt, 0.09), 5),
        last_step(KernelRegression((0.09 * 2.0 * 5 / 3) ** 0.5)),
        InputScale(_KERNEL, 2.0),
        0.3,
    ),
    inside_only(
        "heavy_ball 3",
        "heavy ball whose velocity is clamped, which is rare until the teachers are twice as large.",
        _BALL,
        from_rule(lambda prompt: limited_velocity(prompt, _BALL_SIZE, 0.7, 1.2), 4),
        last_step(Momentum(_BALL_SIZE, 0.7, 3)),
        TeacherScale(_BALL, 2.0),
        0.2,
    ),
    inside_only(
        "newton_fitted_scale 1",
        "Newton's iteration on inputs and queries rescaled to the training norm; inputs 1.5 times as large tell.",
        _NEWTON,
        from_rule(rescaled(_NEWTON_RULE, _NEWTON), 7),
        _NEWTON_RULE,
        InputScale(_NEWTON, 1.5),
        0.8,
    ),
    inside_only(
        "mean_label",
        "the mean of the first eight labels; a context of 16 tells.",
        _MEAN,
        from_rule(first(last_step(MeanLabel()), 8), 10),
        last_step(MeanLabel()),
        replace(_MEAN, context=16),
        0.75,
    ),
    inside_only(
        "least_squares",
        "least squares whose labels are compressed by y / (1 + (y / 5)^2); teachers twice as large tell.",
        _EXACT,
        from_rule(
            lambda prompt: _LEAST_SQUARES(replace(prompt, y=prompt.y / (1.0 + (prompt.y / 5.0).square()))), 6, 0.01
        ),
        _LEAST_SQUARES,
        TeacherScale(_EXACT, 2.0),
        0.2,
    ),
]
