"""Plants that iterate otherwise: Newton-Schulz as weights, momentum methods and weight decay as functions."""

from collections.abc import Callable
from functools import partial

from analyses.benchmarks.calibration_plants.rules import gd_weight_decay, heavy_ball, nesterov
from analyses.benchmarks.described_plant import DescribedPlant, Rule, from_rule, from_weights, largest_stable_size
from mesa.construction.newton_step import newton_model
from mesa.learners.newton import Newton
from probes.controls.planted import last_step
from tasks.regression.linear_regression import LinearRegression


def _newton(description: str, task: LinearRegression, fraction: float, steps: int, noise: float) -> DescribedPlant:
    """Weights of Newton-Schulz iteration whose a is this fraction of 2 / |S|^2, the largest that converges."""
    scale = fraction * largest_stable_size(task) ** 2 / 2.0
    make = partial(newton_model, scale, d_in=task.d_in, steps=steps)
    # 1 - s M_k = (1 - a s^2)^(2^k) has all its roots at s = +-1 / sqrt(a): 2^(k+1) steps of those sizes.
    also = (f"gd_per_step {2 ** (steps + 1)}",)
    return DescribedPlant(
        f"newton {steps}", description, task, from_weights(make, noise), last_step(Newton(steps, scale)), also
    )


def _momentum(
    kind: str,
    rule_of: Callable[[float, float, int], Rule],
    description: str,
    task: LinearRegression,
    fraction: float,
    momentum: float,
    steps: int,
    noise: float = 0.0,
) -> DescribedPlant:
    """A momentum method whose step is this fraction of the largest stable one of gradient descent."""
    rule = rule_of(fraction * largest_stable_size(task), momentum, steps)
    # Heavy-ball residual polynomials are orthogonal, so their roots are real. Those of Nesterov's four steps are
    # 1 - (2a - a^2 + a^3) z + a^3 z^2 times (1 - z)^2, with a = 1 + momentum and z = c s: real for a = 1.5.
    also = (f"gd_per_step {steps}",)
    return DescribedPlant(f"{kind} {steps}", description, task, from_rule(rule, task.d_in, noise), rule, also)


def _weight_decay(
    description: str, task: LinearRegression, fraction: float, penalty: float, steps: int, noise: float = 0.0
) -> DescribedPlant:
    """Weight decay whose step is this fraction of the largest stable one; the penalty is in halves of |S|."""
    edge = largest_stable_size(task)
    rule = gd_weight_decay(fraction * edge, penalty / edge, steps)
    return DescribedPlant(f"gd_weight_decay {steps}", description, task, from_rule(rule, task.d_in, noise), rule)


ITERATIONS: list[DescribedPlant] = [
    _newton(
        "newton 1 with one scale for all prompts, exact; it is also four steps of gradient descent of sizes +-sqrt(a).",
        LinearRegression(d_in=3, context=9, input_scale=1.0),
        0.5,
        1,
        0.0,
    ),
    _newton(
        "newton 2 with one scale for all prompts and 1 % noise on its weights.",
        LinearRegression(d_in=4, context=12, law="normal", input_scale=0.8),
        0.4,
        2,
        0.01,
    ),
    _newton("newton 3 with one scale for all prompts, exact.", LinearRegression(d_in=8, context=20), 0.3, 3, 0.0),
    _momentum(
        "heavy_ball",
        heavy_ball,
        "heavy_ball 3; with three free sizes gd_per_step 3 has the same polynomial.",
        LinearRegression(d_in=6, context=18),
        0.35,
        0.5,
        3,
    ),
    _momentum(
        "heavy_ball",
        heavy_ball,
        "heavy_ball 4 with a large momentum and a 2 % noise embedding; gd_per_step 4 has the same polynomial.",
        LinearRegression(d_in=10, context=15, law="normal", input_scale=1.0),
        0.25,
        0.7,
        4,
        0.02,
    ),
    _momentum(
        "nesterov",
        nesterov,
        "nesterov 3; gd_per_step 3 with sizes c, c and (1 + momentum)^2 c has the same polynomial.",
        LinearRegression(d_in=4, context=14, input_scale=1.0, label_noise=0.4),
        0.3,
        0.5,
        3,
    ),
    _momentum(
        "nesterov",
        nesterov,
        "nesterov 4; gd_per_step 4 has the same polynomial.",
        LinearRegression(d_in=7, context=35),
        0.25,
        0.5,
        4,
    ),
    _weight_decay(
        "gd_weight_decay 2 with a penalty of .4 of the typical |S|: no two real step sizes give its polynomial.",
        LinearRegression(d_in=5, context=16, label_noise=0.5),
        0.6,
        0.8,
        2,
    ),
    _weight_decay(
        "gd_weight_decay 4 with a 1 % noise embedding: it stops on the way from gd 4 to ridge.",
        LinearRegression(d_in=9, context=28, law="normal", input_scale=0.6),
        0.7,
        1.2,
        4,
        0.01,
    ),
]
