"""Impostors whose defect shows in distribution: it is deterministic, and no named algorithm explains it."""

from functools import partial

import torch

from analyses.benchmarks.calibration_plants import defects
from analyses.benchmarks.calibration_plants.defects import gd
from analyses.benchmarks.calibration_plants.rules import lms, mean_label, two_preconditioners_model
from analyses.benchmarks.described_plant import (
    Build,
    DescribedPlant,
    Rule,
    from_rule,
    from_weights,
    largest_stable_size,
)
from mesa.construction.softmax_step import softmax_step_model
from mesa.learners.nearest_neighbours import NearestNeighbours
from mesa.learners.preconditioned import PreconditionedGradientDescent
from mesa.learners.ridge import Ridge
from probes.controls.planted import last_step
from tasks.regression.linear_regression import LinearRegression


def _rule(
    imitates: str,
    description: str,
    task: LinearRegression,
    model: Rule,
    reference: Rule,
    departure: float,
    also: tuple[str, ...] = (),
) -> DescribedPlant:
    build = from_rule(model, task.d_in)
    return DescribedPlant("none", description, task, build, reference, also, imitates, task, departure)


def _weights(
    imitates: str,
    description: str,
    task: LinearRegression,
    build: Build,
    reference: Rule,
    departure: float,
    also: tuple[str, ...] = (),
) -> DescribedPlant:
    return DescribedPlant("none", description, task, build, reference, also, imitates, task, departure)


_CENTRED = LinearRegression(d_in=4, context=4, input_scale=1.0)
_TWO = LinearRegression(d_in=5, context=8, law="normal", input_scale=1.0)
_SIZE = 1.2 * largest_stable_size(_TWO)
_FIRST = _SIZE * torch.diag(torch.tensor([1.0, 1.0, 0.0, 0.0, 0.0]))
_SECOND = _SIZE * torch.eye(5) - _FIRST

_SHORT = LinearRegression(d_in=5, context=4, input_scale=1.0)
_SWAP = LinearRegression(d_in=6, context=9, law="normal", input_scale=0.5)
_SHIFTED = LinearRegression(d_in=8, context=30, input_scale=1.0)
_JACOBI = LinearRegression(d_in=3, context=5, law="normal", input_scale=1.0)
_MIXED = LinearRegression(d_in=6, context=8, law="normal", input_scale=1.0, label_noise=0.5)
_SORTED = LinearRegression(d_in=7, context=28, input_scale=0.9)
_BATCHES = LinearRegression(d_in=9, context=18, law="normal", input_scale=1.0)
_NEAR = LinearRegression(d_in=3, context=40, input_scale=1.0)
_LOUD = LinearRegression(d_in=4, context=9, law="normal", input_scale=1.0, label_noise=1.5)
_IGNORING = LinearRegression(d_in=6, context=25, law="normal", input_scale=1.0, label_noise=0.7)
_LABELS = LinearRegression(d_in=2, context=12, input_scale=1.0)

DEFECTIVE: list[DescribedPlant] = [
    _weights(
        "gd 1",
        "none: two softmax heads that do gd 1 on inputs less their mean, which four examples do not average away.",
        _CENTRED,
        from_weights(partial(softmax_step_model, 0.6 * largest_stable_size(_CENTRED), d_in=4, context=4)),
        gd(0.6 * largest_stable_size(_CENTRED), 1),
        0.3,
        ("gd 1 on centred inputs",),
    ),
    _weights(
        "preconditioned_gd 2",
        "none: a step on the first two weights, then one on the other three; one P for both steps cannot do it.",
        _TWO,
        from_weights(partial(two_preconditioners_model, _FIRST, _SECOND)),
        last_step(PreconditionedGradientDescent((_FIRST + _SECOND) / 2.0, 2)),
        0.25,
    ),
    _rule(
        "gd 1",
        "none: gd 1 that never reads the first of four examples.",
        _SHORT,
        defects.examples_from(gd(0.5 * largest_stable_size(_SHORT), 1), 1),
        gd(0.5 * largest_stable_size(_SHORT), 1),
        0.3,
    ),
    _rule(
        "ridge",
        "none: ridge that reads one of six coordinates as zero.",
        _IGNORING,
        defects.ignoring_coordinate(last_step(Ridge(0.5)), 2),
        last_step(Ridge(0.5)),
        0.3,
    ),
    _rule(
        "gd 1",
        "none: gd 1 that takes the labels of the first two of nine examples for each other's.",
        _SWAP,
        defects.swapped_labels(gd(0.5 * largest_stable_size(_SWAP), 1)),
        gd(0.5 * largest_stable_size(_SWAP), 1),
        0.3,
    ),
    _rule(
        "gd 2",
        "none: gd 2 plus the constant .6, half of the predictions' standard deviation.",
        _SHIFTED,
        lambda prompt: 0.6 + gd(0.6 * largest_stable_size(_SHIFTED), 2)(prompt),
        gd(0.6 * largest_stable_size(_SHIFTED), 2),
        0.3,
    ),
    _rule(
        "gd 1",
        "none: one step in which each weight is divided by its own curvature in the context.",
        _JACOBI,
        defects.jacobi(0.5),
        gd(0.5 * largest_stable_size(_JACOBI), 1),
        0.3,
        ("jacobi 1",),
    ),
    _rule(
        "ridge",
        "none: predictions of ridge rounded to whole multiples of 2.8.",
        _IGNORING,
        defects.rounded(last_step(Ridge(0.5)), 2.8),
        last_step(Ridge(0.5)),
        0.25,
    ),
    _rule(
        "least_squares",
        "none: half least squares, half gd 1, a mean that no single algorithm gives.",
        _MIXED,
        defects.mixture(0.5, last_step(Ridge.least_squares()), gd(0.9 * largest_stable_size(_MIXED), 1)),
        last_step(Ridge.least_squares()),
        0.3,
    ),
    _rule(
        "gd 2",
        "none: gd 2 where the first label is positive, the mean of three neighbours elsewhere.",
        _SORTED,
        defects.by_first_label(gd(0.6 * largest_stable_size(_SORTED), 2), last_step(NearestNeighbours(3))),
        gd(0.6 * largest_stable_size(_SORTED), 2),
        0.3,
    ),
    _rule(
        "nearest_neighbours",
        "none: half the mean of the two nearest neighbours, half the mean label.",
        _LABELS,
        defects.mixture(0.5, last_step(NearestNeighbours(2)), mean_label),
        last_step(NearestNeighbours(2)),
        0.25,
    ),
    _rule(
        "gd 1",
        "none: gd 1 in which an example counts .85 of the next one.",
        _SORTED,
        defects.recent_first(gd(0.8 * largest_stable_size(_SORTED), 1), 0.85),
        gd(0.8 * largest_stable_size(_SORTED), 1),
        0.3,
    ),
    _rule(
        "ridge",
        "none: ridge that forgets, an example counts .7 of the next one.",
        _IGNORING,
        defects.recent_first(last_step(Ridge(0.5)), 0.7),
        last_step(Ridge(0.5)),
        0.25,
        ("recursive least squares with forgetting",),
    ),
    _rule(
        "lms",
        "none: one pass of LMS from the last example to the first.",
        _BATCHES,
        lms(0.08, reverse=True),
        lms(0.08),
        0.3,
        ("lms in reverse order",),
    ),
    _rule(
        "lms",
        "none: one pass of Kaczmarz, whose size is divided by the norm of each example.",
        _JACOBI,
        lms(0.7, normalised=True),
        lms(0.25),
        0.25,
        ("kaczmarz", "normalised lms"),
    ),
    _rule(
        "gd 2",
        "none: two steps, each on another half of the examples.",
        _BATCHES,
        defects.half_batches(1.7 * largest_stable_size(_BATCHES)),
        gd(0.85 * largest_stable_size(_BATCHES), 2),
        0.3,
    ),
    _rule(
        "gd 1",
        "none: gd 1 on the examples near the query, weighted by a Gaussian kernel.",
        _NEAR,
        defects.local_step(0.5 * largest_stable_size(_NEAR), 0.6),
        gd(0.5 * largest_stable_size(_NEAR), 1),
        0.3,
    ),
    _rule(
        "least_squares",
        "none: least absolute deviations, which least squares resembles on labels with Gaussian noise.",
        _LOUD,
        defects.least_absolute_deviations,
        last_step(Ridge.least_squares()),
        0.3,
        ("least_absolute_deviations",),
    ),
    _rule(
        "nearest_neighbours",
        "none: a lookup of the mean label in the query's quadrant.",
        LinearRegression(d_in=2, context=24, law="normal", input_scale=1.0),
        defects.sign_lookup,
        last_step(NearestNeighbours(6)),
        0.3,
    ),
]
