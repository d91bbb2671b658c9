"""True plants that shrink least squares: ridge regression, early-stopped gradient flow and truncated spectra.

Contexts have about as many examples as dimensions, or inputs of unequal scales, so that eigenvalues are far apart:
there the ways to shrink differ.
"""

from analyses.benchmarks.described_plant import DescribedPlant, largest_stable_size
from analyses.benchmarks.fresh_plants.planting import planted
from mesa.learners.filters.cutoff import TruncatedSpectrum
from mesa.learners.filters.gradient_flow import GradientFlow
from mesa.learners.ridge import Ridge
from tasks.regression.linear_regression import LinearRegression

_FALLING = (1.0, 0.8, 0.5, 0.3, 0.15, 0.08)


def _ridge(description: str, task: LinearRegression, share: float, noise: float = 0.0) -> DescribedPlant:
    """Ridge whose penalty is this share of the largest eigenvalue of a typical context."""
    return planted("ridge", description, task, Ridge(share * 2.0 / largest_stable_size(task)), noise)


def _flow(description: str, task: LinearRegression, time: float, noise: float = 0.0) -> DescribedPlant:
    """Gradient flow whose time is counted in units of one over that largest eigenvalue."""
    return planted("gradient_flow", description, task, GradientFlow(time * largest_stable_size(task) / 2.0), noise)


SHRINKAGE: list[DescribedPlant] = [
    _ridge(
        "with a penalty of a hundredth of the largest eigenvalue and 2 % noise.",
        LinearRegression(d_in=10, context=10, law="normal", input_scale=0.7, label_noise=0.5),
        0.01,
        0.02,
    ),
    _ridge(
        "with a small penalty on inputs of six scales, exact.",
        LinearRegression(d_in=6, context=30, input_scale=1.0, scales=_FALLING, label_noise=0.3),
        0.004,
    ),
    _ridge(
        "with a penalty of three hundredths of the largest eigenvalue on very noisy labels, in two outputs, exact.",
        LinearRegression(d_in=12, d_out=2, context=13, input_scale=0.6, label_noise=0.6),
        0.03,
    ),
    _flow(
        "stopped late on as many examples as dimensions, with 2 % noise.",
        LinearRegression(d_in=8, context=8, input_scale=0.9, label_noise=0.3),
        40.0,
        0.02,
    ),
    _flow(
        "on inputs of six scales, exact.",
        LinearRegression(d_in=6, context=24, law="normal", input_scale=0.5, scales=_FALLING, label_noise=0.2),
        60.0,
    ),
    _flow(
        "stopped early on noisy labels in two outputs, exact.",
        LinearRegression(d_in=11, d_out=2, context=12, law="normal", input_scale=0.4, label_noise=0.5),
        25.0,
    ),
    planted(
        "truncated_spectrum",
        "of rank 2 in five dimensions, exact.",
        LinearRegression(d_in=5, context=9, input_scale=1.0),
        TruncatedSpectrum(2),
    ),
    planted(
        "truncated_spectrum",
        "of rank 4 on contexts of rank 7, with 1 % noise.",
        LinearRegression(d_in=13, context=7, law="normal", input_scale=0.6),
        TruncatedSpectrum(4),
        0.01,
    ),
    planted(
        "truncated_spectrum",
        "of rank 6 in seven dimensions, where only the smallest eigenvalue is dropped, on noisy labels, exact.",
        LinearRegression(d_in=7, context=9, input_scale=0.8, label_noise=0.4),
        TruncatedSpectrum(6),
    ),
]
