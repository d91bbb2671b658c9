"""True plants with momentum or weight decay.

Let z = c s in a direction of eigenvalue s, and R_k the share of a label that k steps leave.

Heavy ball has R_{k+1} = (1 + b - z) R_k - b R_{k-1}. For a momentum b > 0 this is a recurrence of orthogonal
polynomials, so all zeros are real, and gradient descent with one size for each step is the same function. It has k free
numbers and heavy ball has two, so from three steps on heavy ball is the right answer. Nesterov's R_{k+1} = (1 - z)
((1 + b) R_k - b R_{k-1}) has k - 1 zeros at 1 / c for k <= 3, and its third step is one of size (1 + b)^2 c.

Weight decay with two steps has R_2 = 1 - z (2 - c p - z). Its zeros are complex for every penalty p > 0, so no gradient
descent with two sizes is equal. Heavy ball with the negative momentum -c p is equal, and so is Nesterov's with two
steps: R_2 = 1 - z (2 + b - (1 + b) z) has complex zeros for no b, but heavy ball's 1 - z (2 + b - z) has. These plants
therefore take three steps or more.
"""

from analyses.benchmarks.described_plant import DescribedPlant, largest_stable_size
from analyses.benchmarks.fresh_plants.planting import planted
from mesa.learners.filters.momentum import Momentum
from mesa.learners.filters.weight_decay import WeightDecay
from tasks.regression.linear_regression import LinearRegression


def _momentum(
    description: str,
    task: LinearRegression,
    fraction: float,
    momentum: float,
    steps: int,
    ahead: bool = False,
    noise: float = 0.0,
) -> DescribedPlant:
    learner = Momentum(fraction * largest_stable_size(task), momentum, steps, ahead)
    return planted(f"{learner.name} {steps}", description, task, learner, noise)


def _decay(
    description: str, task: LinearRegression, fraction: float, share: float, steps: int, noise: float = 0.0
) -> DescribedPlant:
    """Weight decay whose penalty is a share of the largest eigenvalue of a typical context."""
    edge = largest_stable_size(task)
    learner = WeightDecay(fraction * edge, share * 2.0 / edge, steps)
    return planted(f"weight_decay {steps}", description, task, learner, noise)


ACCELERATED: list[DescribedPlant] = [
    _momentum(
        "with a momentum of 0.9 and 1 % noise.",
        LinearRegression(d_in=6, context=14, law="normal", input_scale=0.6),
        1.4,
        0.9,
        3,
        noise=0.01,
    ),
    _momentum(
        "with a momentum of 0.6 on as many examples as dimensions, exact.",
        LinearRegression(d_in=9, context=9, input_scale=0.8),
        1.2,
        0.6,
        4,
    ),
    _momentum(
        "with a momentum of 0.85 and long steps, exact.",
        LinearRegression(d_in=4, d_out=2, context=27, input_scale=0.6, scales=(1.0, 0.8, 0.5, 0.25)),
        1.67,
        0.85,
        4,
    ),
    _momentum(
        "with a momentum of 0.9 and 0.5 % noise.",
        LinearRegression(d_in=7, context=12, input_scale=1.0),
        0.87,
        0.9,
        3,
        ahead=True,
        noise=0.005,
    ),
    _momentum(
        "with a momentum of 0.85 near the edge of stability, exact.",
        LinearRegression(d_in=12, context=18, law="normal", input_scale=0.4),
        0.8,
        0.85,
        4,
        ahead=True,
    ),
    _momentum(
        "with a momentum of 0.88 on anisotropic inputs with noisy labels, exact.",
        LinearRegression(d_in=5, context=20, input_scale=1.0, scales=(1.0, 1.0, 0.6, 0.3, 0.3), label_noise=0.3),
        0.9,
        0.88,
        4,
        ahead=True,
    ),
    _decay(
        "with a large penalty and 2 % noise.",
        LinearRegression(d_in=8, context=10, law="normal", input_scale=0.9),
        0.89,
        0.18,
        3,
        0.02,
    ),
    _decay(
        "that alternates around ridge regression, because the step is long, exact.",
        LinearRegression(d_in=6, context=36, input_scale=0.7, scales=(1.2, 1.0, 0.7, 0.5, 0.35, 0.25)),
        1.12,
        0.3,
        4,
    ),
    _decay(
        "on noisy labels in two outputs, exact.",
        LinearRegression(d_in=10, d_out=2, context=13, input_scale=0.8, label_noise=0.4),
        1.0,
        0.2,
        3,
    ),
]
