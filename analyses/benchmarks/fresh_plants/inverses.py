"""True plants that approach least squares quickly: Newton-Schulz iteration, conjugate gradients and least squares.

Conjugate gradients end at least squares after as many steps as S has distinct eigenvalues, min(d, N). The plants here
take fewer steps. Newton's own scale 1 / |S|_F^2 is nearly one number where contexts are long, so the plants of the row
without a fitted scale have short contexts.
"""

from functools import partial

from analyses.benchmarks.described_plant import DescribedPlant, from_weights, largest_stable_size
from analyses.benchmarks.fresh_plants.planting import planted
from mesa.construction.newton_step import newton_model
from mesa.learners.conjugate_gradients import ConjugateGradients
from mesa.learners.newton import Newton
from mesa.learners.ridge import Ridge
from probes.controls.planted import last_step
from tasks.regression.linear_regression import LinearRegression


def _newton_weights(
    description: str, task: LinearRegression, fraction: float, steps: int, noise: float = 0.0
) -> DescribedPlant:
    """Weights of Newton's iteration whose scale is a fraction of the largest that converges, 2 / |S|^2."""
    scale = fraction * largest_stable_size(task) ** 2 / 2.0
    make = partial(newton_model, scale, d_in=task.d_in, d_out=task.d_out, steps=steps)
    reference = last_step(Newton(steps, scale, fit_scale=True))
    kind = f"newton_fitted_scale {steps}"
    return DescribedPlant(kind, f"{kind} {description}", task, from_weights(make, noise), reference)


def _least_squares(description: str, task: LinearRegression, noise: float = 0.0) -> DescribedPlant:
    """Least squares, which conjugate gradients also end at after min(d, N) steps."""
    also = (f"conjugate_gradients {min(task.d_in, task.context)}",)
    return planted("least_squares", description, task, Ridge.least_squares(), noise, also)


INVERSES: list[DescribedPlant] = [
    planted(
        "newton 2",
        "on four examples, exact.",
        LinearRegression(d_in=3, context=4, law="normal", input_scale=1.0),
        Newton(2),
    ),
    planted(
        "newton 3",
        "on five examples of noisy labels, with 3 % noise.",
        LinearRegression(d_in=6, context=5, law="normal", input_scale=0.5, label_noise=0.2),
        Newton(3),
        0.03,
    ),
    planted(
        "newton 5",
        "with two outputs, exact; the smallest eigenvalues are still far from inverted.",
        LinearRegression(d_in=5, d_out=2, context=6, law="normal", input_scale=0.8),
        Newton(5),
    ),
    _newton_weights(
        "with a scale near the largest that converges, exact.", LinearRegression(d_in=4, context=10), 0.95, 1
    ),
    _newton_weights(
        "with a scale near the largest and 0.5 % noise.",
        LinearRegression(d_in=7, context=28, input_scale=0.9),
        0.95,
        2,
        0.005,
    ),
    _newton_weights(
        "on as many examples as dimensions, exact.",
        LinearRegression(d_in=11, context=11, law="normal", input_scale=0.3),
        0.6,
        3,
    ),
    planted(
        "conjugate_gradients 1",
        "that is the best step along the gradient, with 5 % noise.",
        LinearRegression(d_in=5, context=8, law="normal", input_scale=0.7),
        ConjugateGradients(1),
        0.05,
    ),
    planted(
        "conjugate_gradients 2",
        "with two outputs that each have their own directions, exact.",
        LinearRegression(d_in=8, d_out=2, context=12, input_scale=1.0),
        ConjugateGradients(2),
    ),
    planted(
        "conjugate_gradients 3",
        "on noisy labels and as many examples as dimensions, with 2 % noise.",
        LinearRegression(d_in=14, context=14, input_scale=0.9, label_noise=0.3),
        ConjugateGradients(3),
        0.02,
    ),
    _least_squares(
        "of least norm on seven examples in sixteen dimensions, with 4 % noise.",
        LinearRegression(d_in=16, context=7, input_scale=0.8),
        0.04,
    ),
    _least_squares(
        "on as many noisy examples as dimensions, where small eigenvalues amplify the noise, exact.",
        LinearRegression(d_in=8, context=8, law="normal", input_scale=1.0, label_noise=0.3),
    ),
    _least_squares(
        "with three outputs on anisotropic inputs and very noisy labels, with 4 % noise.",
        LinearRegression(d_in=9, d_out=3, context=20, scales=(3.0,) * 3 + (1.0,) * 3 + (0.3,) * 3, label_noise=0.5),
        0.04,
    ),
]
