"""True plants that are weights of gradient descent, with one size for all steps or a size for each."""

from functools import partial

from analyses.benchmarks.described_plant import DescribedPlant, from_weights, largest_stable_size
from mesa.construction.gradient_step import gradient_step_model
from mesa.learners.gradient_descent import GradientDescent
from probes.controls.planted import last_step
from tasks.regression.linear_regression import LinearRegression


def _descent(
    description: str, task: LinearRegression, fractions: tuple[float, ...], noise: float = 0.0, heads: int = 1
) -> DescribedPlant:
    """Weights whose steps are these fractions of the largest stable size; equal fractions are one shared size."""
    steps, shared = len(fractions), len(set(fractions)) == 1
    sizes = tuple(fraction * largest_stable_size(task) for fraction in fractions)
    make = partial(gradient_step_model, sizes, d_in=task.d_in, d_out=task.d_out, steps=steps, n_heads=heads)
    reference = last_step(GradientDescent(sizes, steps, shared=shared))
    name = "gd" if shared else "gd_per_step"
    return DescribedPlant(f"{name} {steps}", description, task, from_weights(make, noise), reference)


PLAIN_DESCENTS: list[DescribedPlant] = [
    _descent(
        "gd 1 with a hundredth of the largest stable step, exact; the labels are so noisy that ridge would help.",
        LinearRegression(d_in=9, context=21, law="normal", input_scale=0.8, label_noise=1.0),
        (0.01,),
    ),
    _descent(
        "gd 1 with 10 % noise on its weights, three outputs and contexts of three examples.",
        LinearRegression(d_in=6, d_out=3, context=3, input_scale=1.2),
        (0.6,),
        0.1,
    ),
    _descent(
        "gd 2 slightly past the typical edge of stability with 4 % noise; a second head is zero.",
        LinearRegression(d_in=14, context=35, input_scale=0.9),
        (1.05, 1.05),
        0.04,
        heads=2,
    ),
    _descent(
        "gd 5 with long steps and 1 % noise on anisotropic inputs.",
        LinearRegression(d_in=6, context=18, law="normal", input_scale=0.6, scales=(1.5, 1.2, 1.0, 0.8, 0.6, 0.4)),
        (1.2,) * 5,
        0.01,
    ),
    _descent(
        "gd 6 slightly past the typical edge of stability, exact, on contexts shorter than the inputs.",
        LinearRegression(d_in=13, context=8, input_scale=0.7, label_noise=0.1),
        (1.12,) * 6,
    ),
    _descent(
        "gd_per_step 3 with one short step before two long ones, and 1 % noise.",
        LinearRegression(d_in=11, context=16, input_scale=0.6),
        (0.75, 2.5, 2.1),
        0.01,
    ),
    _descent(
        "gd_per_step 3 with sizes of about 15 : 4 : 10 and two outputs, exact.",
        LinearRegression(d_in=7, d_out=2, context=10, law="normal", input_scale=1.1),
        (2.28, 0.62, 1.54),
    ),
    _descent(
        "gd_per_step 4 whose second step is less than half as long as the others, exact.",
        LinearRegression(d_in=5, context=40, law="normal", input_scale=0.5, scales=(1.6, 1.2, 1.0, 0.7, 0.5)),
        (1.9, 0.8, 2.15, 2.2),
    ),
]
