"""True plants that average labels, of all examples or of near ones, and kernel ridge regression.

The mean label is nearest neighbours with k = N, and the limit of kernel regression with a large bandwidth; it has no
free parameter, so it is the right answer there. The other plants use fewer neighbours and finite bandwidths.
Softmax regression is kernel regression where all inputs have one length, which these inputs have not.
"""

from functools import partial

import torch

from analyses.benchmarks.described_plant import DescribedPlant, from_rule, from_weights
from analyses.benchmarks.fresh_plants.planting import planted
from analyses.benchmarks.fresh_plants.rules import kernel_ridge
from mesa.config.model import InContextConfig
from mesa.construction.products import from_products
from mesa.learners.local.kernel_regression import KernelRegression, SoftmaxRegression
from mesa.learners.local.mean_label import MeanLabel
from mesa.learners.nearest_neighbours import NearestNeighbours
from mesa.models.in_context import InContextTransformer
from probes.controls.planted import last_step
from tasks.regression.linear_regression import LinearRegression


def _softmax_head(d_in: int, d_out: int, temperature: float, scale: float) -> InContextTransformer:
    """One softmax head: scores x_q . x_i / temperature, values minus the scaled labels, which the reader negates."""
    width = d_in + d_out
    A, V = torch.zeros(2, 1, 1, width, width, dtype=torch.float64)
    A[0, 0, :d_in, :d_in] = torch.eye(d_in, dtype=A.dtype) / temperature
    V[0, 0, d_in:, d_in:] = -scale * torch.eye(d_out, dtype=A.dtype)
    return from_products(InContextTransformer(InContextConfig(kernel="softmax"), width, dtype=torch.float64), A, V)


def _softmax(
    description: str, task: LinearRegression, temperature: float, scale: float, noise: float = 0.0
) -> DescribedPlant:
    reference = last_step(SoftmaxRegression(temperature, scale))
    make = partial(_softmax_head, task.d_in, task.d_out, temperature, scale)
    kind = "softmax_regression"
    return DescribedPlant(kind, f"{kind} {description}", task, from_weights(make, noise), reference)


def _kernel_ridge(
    description: str, task: LinearRegression, bandwidth: float, penalty: float, noise: float = 0.0
) -> DescribedPlant:
    rule = partial(kernel_ridge, bandwidth=bandwidth, penalty=penalty)
    return DescribedPlant("kernel_ridge", f"kernel_ridge {description}", task, from_rule(rule, task.d_in, noise), rule)


AVERAGES: list[DescribedPlant] = [
    planted(
        "nearest_neighbours",
        "with k = 2 and 3 % noise.",
        LinearRegression(d_in=2, context=25, input_scale=1.0),
        NearestNeighbours(2),
        0.03,
    ),
    planted(
        "nearest_neighbours",
        "with k = 3 on noisy labels, exact.",
        LinearRegression(d_in=5, context=17, law="normal", input_scale=0.8, label_noise=0.2),
        NearestNeighbours(3),
    ),
    planted(
        "nearest_neighbours",
        "with k = 6 of ten examples and two outputs, exact; the mean label leaves more than a third.",
        LinearRegression(d_in=3, d_out=2, context=10, input_scale=0.6),
        NearestNeighbours(6),
    ),
    planted("mean_label", "of five examples, exact.", LinearRegression(d_in=9, context=5), MeanLabel()),
    planted(
        "mean_label",
        "of forty noisy examples in two outputs, exact.",
        LinearRegression(d_in=3, d_out=2, context=40, law="normal", input_scale=1.0, label_noise=0.5),
        MeanLabel(),
    ),
    planted(
        "mean_label",
        "on anisotropic inputs, behind an embedding with 10 % noise, which it does not read.",
        LinearRegression(d_in=4, context=12, scales=(2.0, 1.0, 0.5, 0.25)),
        MeanLabel(),
        0.1,
    ),
    planted(
        "kernel_regression",
        "with a narrow bandwidth in two dimensions, with 2 % noise.",
        LinearRegression(d_in=2, context=50, input_scale=1.0, label_noise=0.5),
        KernelRegression(0.2),
        0.02,
    ),
    planted(
        "kernel_regression",
        "in four dimensions, exact.",
        LinearRegression(d_in=4, context=22, law="normal", input_scale=1.0),
        KernelRegression(0.7),
    ),
    planted(
        "kernel_regression",
        "with two outputs and noisy labels, exact; the nearest one or two examples dominate.",
        LinearRegression(d_in=7, d_out=2, context=33, input_scale=0.9, label_noise=0.3),
        KernelRegression(0.4),
    ),
    _softmax(
        "of a low temperature, where an example or two dominate, with 4 % noise on the head's weights.",
        LinearRegression(d_in=3, context=28, law="normal", input_scale=1.0),
        0.5,
        1.0,
        0.04,
    ),
    _softmax(
        "of a moderate temperature whose output is doubled, exact.",
        LinearRegression(d_in=6, context=16, input_scale=1.3),
        1.2,
        2.0,
    ),
    _softmax(
        "with two outputs and noisy labels, exact.",
        LinearRegression(d_in=10, d_out=2, context=45, law="normal", input_scale=0.7, label_noise=0.4),
        1.0,
        1.4,
    ),
    _kernel_ridge(
        "with a bandwidth of a third of the inputs' range and a small penalty, exact.",
        LinearRegression(d_in=2, context=15, input_scale=1.0),
        0.6,
        0.05,
    ),
    _kernel_ridge(
        "with a large penalty on noisy labels and 3 % noise.",
        LinearRegression(d_in=5, context=26, law="normal", input_scale=0.7, label_noise=0.4),
        1.0,
        0.8,
        0.03,
    ),
    _kernel_ridge(
        "whose predictions fall to zero between few examples in two outputs, exact.",
        LinearRegression(d_in=3, d_out=2, context=8, input_scale=1.5),
        0.8,
        0.2,
    ),
]
