"""True plants that read examples in order, or that know a finite pool of teachers.

The posterior mean over a pool is least squares where the labels are exact and N >= d, because then the teacher is
known. The plants have noisy labels or fewer examples than dimensions.
"""

from analyses.benchmarks.described_plant import DescribedPlant
from analyses.benchmarks.fresh_plants.planting import planted
from mesa.learners.least_mean_squares import LeastMeanSquares
from mesa.learners.teacher_pool import TeacherPool
from tasks.regression.linear_regression import LinearRegression


def _pass(description: str, task: LinearRegression, fraction: float, noise: float = 0.0) -> DescribedPlant:
    """One pass whose step is this fraction of 1 / E|x|^2, the step that fits a typical example at once."""
    variance = task.input_scale**2 * (1.0 if task.law == "normal" else 1.0 / 3.0)
    squares = sum(scale**2 for scale in task.scales or (1.0,) * task.d_in)
    learner = LeastMeanSquares(fraction / (variance * squares))
    return planted("least_mean_squares", description, task, learner, noise)


def _pool(description: str, task: LinearRegression, noise: float, moved: float = 0.0) -> DescribedPlant:
    """The posterior mean over the task's teachers for labels of this noise."""
    return planted("teacher_pool", description, task, TeacherPool(task.teacher_set, noise), moved)


ORDERED_AND_POOLED: list[DescribedPlant] = [
    _pass("with a long step and 2 % noise.", LinearRegression(d_in=4, context=11, input_scale=0.8), 1.0, 0.02),
    _pass(
        "with two outputs and noisy labels, exact.",
        LinearRegression(d_in=7, d_out=2, context=31, law="normal", input_scale=0.5, label_noise=0.2),
        0.6,
    ),
    _pass(
        "on anisotropic inputs, close to where single steps diverge, exact.",
        LinearRegression(d_in=10, context=60, input_scale=1.0, scales=(1.5,) * 3 + (1.0,) * 4 + (0.5,) * 3),
        1.2,
    ),
    _pool(
        "with the task's own noise: four teachers in five dimensions, exact.",
        LinearRegression(d_in=5, context=6, label_noise=0.5, teachers=4, teachers_seed=11),
        0.5,
    ),
    _pool(
        "of sixteen teachers on three exact examples in ten dimensions, with an assumed noise of 0.8.",
        LinearRegression(d_in=10, context=3, law="normal", input_scale=0.7, teachers=16, teachers_seed=12),
        0.8,
    ),
    _pool(
        "of forty teachers with two outputs, assuming twice the noise there is, with 2 % noise on inputs.",
        LinearRegression(d_in=4, d_out=2, context=9, label_noise=0.4, teachers=40, teachers_seed=13),
        0.8,
        0.02,
    ),
]
