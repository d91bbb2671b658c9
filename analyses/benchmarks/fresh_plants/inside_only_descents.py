"""Impostors that are gradient descent on their own task alone: larger labels, larger inputs or longer contexts tell.

Each description names the shift. A factor of 2 on the teachers doubles the labels and leaves the inputs alone.
"""

from analyses.benchmarks.described_plant import DescribedPlant, from_rule, from_weights, largest_stable_size
from analyses.benchmarks.fresh_plants.planting import inside_only
from analyses.benchmarks.fresh_plants.rules import by_label_size, limited_velocity, relative_trace, rescaled
from mesa.construction import from_products, gradient_step_model
from mesa.construction.gradient_step import gradient_step_products
from mesa.learners import GradientDescent, Momentum
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
_LABELS = LinearRegression(d_in=16, d_out=2, context=32, input_scale=0.433)
_BALL = LinearRegression(d_in=4, context=16, input_scale=0.9)
_BALL_SIZE = 0.6 * largest_stable_size(_BALL)

INSIDE_ONLY_DESCENTS: list[DescribedPlant] = [
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
        "gd 1",
        "one step whose size falls with the labels' size; teachers twice as large tell.",
        _LABELS,
        from_rule(lambda prompt: by_label_size(prompt, 0.2), 16),
        last_step(GradientDescent(0.2)),
        TeacherScale(_LABELS, 2.0),
        0.35,
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
]
