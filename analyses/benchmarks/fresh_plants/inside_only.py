"""Impostors that are a named estimator on their own task alone: larger labels, larger inputs or longer contexts tell.

Each description names the shift. A factor of 2 on the teachers doubles the labels and leaves the inputs alone.
"""

from dataclasses import replace

from analyses.benchmarks.described_plant import DescribedPlant, from_rule, largest_stable_size
from analyses.benchmarks.fresh_plants.planting import inside_only
from analyses.benchmarks.fresh_plants.rules import (
    first,
    relative_kernel,
    rescaled,
    ridge_by_labels,
    saturating,
    share_of_neighbours,
)
from mesa.learners import ConjugateGradients, KernelRegression, MeanLabel, NearestNeighbours, Newton, Ridge
from probes.controls.planted import last_step
from tasks.regression.linear_regression import LinearRegression
from tasks.regression.shifts import InputScale, TeacherScale

_SATURATED = LinearRegression(d_in=8, context=9, law="normal", input_scale=0.35)
_RIDGE = last_step(Ridge(0.1))
_FIRST = LinearRegression(d_in=12, context=15, input_scale=0.9)
_CONJUGATE = last_step(ConjugateGradients(2))
_PENALISED = LinearRegression(d_in=14, context=28, input_scale=0.46)
_SHARE = LinearRegression(d_in=3, context=20, law="normal", input_scale=0.7)
_KERNEL = LinearRegression(d_in=5, context=40, input_scale=1.0)
_NEWTON = LinearRegression(d_in=7, context=42, law="normal", input_scale=0.6)
_NEWTON_RULE = last_step(Newton(1, 0.3 * largest_stable_size(_NEWTON) ** 2, fit_scale=True))
_MEAN = LinearRegression(d_in=10, context=8, input_scale=0.6)
_EXACT = LinearRegression(d_in=6, context=13, input_scale=0.7)
_LEAST_SQUARES = last_step(Ridge.least_squares())

INSIDE_ONLY: list[DescribedPlant] = [
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
