"""Plants that solve or average instead of descending: mostly functions of prompts, two of them weights."""

from functools import partial

from analyses.benchmarks.calibration_plants.rules import (
    gradient_flow,
    kernel_ridge,
    lms,
    mean_label,
    nadaraya_watson,
    softmax_average,
    softmax_average_model,
    truncated_spectrum,
)
from analyses.benchmarks.described_plant import DescribedPlant, Rule, from_rule, from_weights
from mesa.learners.averaging import Averaging
from mesa.learners.conjugate_gradients import ConjugateGradients
from mesa.learners.coordinate_descent import CoordinateDescent
from mesa.learners.nearest_neighbours import NearestNeighbours
from mesa.learners.newton import Newton
from mesa.learners.ridge import Ridge
from probes.controls.planted import last_step
from tasks.predictor import RegressionPredictor
from tasks.regression.linear_regression import LinearRegression


def _rule(
    kind: str, description: str, task: LinearRegression, rule: Rule, noise: float = 0.0, also: tuple[str, ...] = ()
) -> DescribedPlant:
    return DescribedPlant(kind, description, task, from_rule(rule, task.d_in, noise), rule, also)


def _learner(
    kind: str,
    description: str,
    task: LinearRegression,
    learner: RegressionPredictor,
    noise: float = 0.0,
    also: tuple[str, ...] = (),
) -> DescribedPlant:
    return _rule(kind, description, task, last_step(learner), noise, also)


def _softmax(description: str, task: LinearRegression, temperature: float, noise: float) -> DescribedPlant:
    make = partial(softmax_average_model, temperature, task.d_in)
    build = from_weights(make, noise)
    return DescribedPlant("nadaraya_watson", description, task, build, softmax_average(temperature))


def _pool(description: str, task: LinearRegression, noise: float = 0.0) -> DescribedPlant:
    return _learner("pool_bayes", description, task, task.bayes_predictor(), noise)


ESTIMATORS: list[DescribedPlant] = [
    _learner(
        "newton 3",
        "newton 3 with the scale 1 / |S|_F^2 of each prompt; 4 % noise on the embedding.",
        LinearRegression(d_in=8, context=32, law="normal", input_scale=0.5),
        Newton(3),
        0.04,
    ),
    _learner(
        "conjugate_gradients 1",
        "conjugate_gradients 1: its step size is the best of each prompt, so no size shared by prompts gives it.",
        LinearRegression(d_in=6, context=4, input_scale=1.0),
        ConjugateGradients(1),
    ),
    _learner(
        "conjugate_gradients 2",
        "conjugate_gradients 2 far below convergence, with a 3 % noise embedding.",
        LinearRegression(d_in=10, context=14, law="normal", input_scale=0.8),
        ConjugateGradients(2),
        0.03,
    ),
    _learner(
        "conjugate_gradients 3",
        "conjugate_gradients 3 on noisy labels; it has not converged in seven dimensions.",
        LinearRegression(d_in=7, context=12, law="normal", input_scale=1.0, label_noise=0.6),
        ConjugateGradients(3),
    ),
    _learner(
        "coordinate_descent 1",
        "coordinate_descent 1: one sweep over the coordinates in order, exact.",
        LinearRegression(d_in=5, context=9),
        CoordinateDescent(1),
    ),
    _learner(
        "coordinate_descent 2",
        "coordinate_descent 2 on noisy labels with as many examples as dimensions.",
        LinearRegression(d_in=8, context=8, law="normal", input_scale=1.0, label_noise=0.3),
        CoordinateDescent(2),
    ),
    _learner(
        "ridge",
        "ridge with the Bayes penalty of label noise 1.",
        LinearRegression(d_in=4, context=12, law="normal", input_scale=1.0, label_noise=1.0),
        Ridge(1.0),
    ),
    _learner(
        "ridge",
        "ridge with a penalty near the mean eigenvalue of S, though labels have no noise; contexts are shorter than d.",
        LinearRegression(d_in=14, context=10, input_scale=1.0),
        Ridge(2.5),
    ),
    _learner(
        "ridge",
        "ridge with a quarter of the Bayes penalty and a 10 % noise embedding.",
        LinearRegression(d_in=6, context=20, law="normal", input_scale=1.0, label_noise=2.0),
        Ridge(6.0),
        0.1,
    ),
    _learner(
        "least_squares",
        "least_squares of least norm in fewer examples than dimensions; N steps of conjugate gradients give it too.",
        LinearRegression(d_in=12, context=6, law="normal", input_scale=0.7),
        Ridge.least_squares(),
        also=("conjugate_gradients 6", "conjugate_gradients"),
    ),
    _learner(
        "least_squares",
        "least_squares on noisy labels, where ridge would be better; d steps of conjugate gradients give it too.",
        LinearRegression(d_in=5, context=15, law="normal", input_scale=1.0, label_noise=1.0),
        Ridge.least_squares(),
        also=("conjugate_gradients 5", "conjugate_gradients"),
    ),
    _learner(
        "nearest_neighbours",
        "nearest_neighbours with three of thirty examples in two dimensions.",
        LinearRegression(d_in=2, context=30),
        NearestNeighbours(3),
    ),
    _learner(
        "nearest_neighbours",
        "nearest_neighbours with one of fifty examples and a 2 % noise embedding: the label of the closest input.",
        LinearRegression(d_in=3, context=50, law="normal", input_scale=1.0),
        NearestNeighbours(1),
        0.02,
    ),
    _softmax(
        "nadaraya_watson as one softmax head with the kernel exp(x_q . x_i / T), T = .15, and 5 % noise.",
        LinearRegression(d_in=3, context=20, input_scale=1.0),
        0.15,
        0.05,
    ),
    _softmax(
        "nadaraya_watson as one softmax head with the kernel exp(x_q . x_i / T), T = 1, exact.",
        LinearRegression(d_in=6, context=40, law="normal", input_scale=1.0),
        1.0,
        0.0,
    ),
    _rule(
        "nadaraya_watson",
        "nadaraya_watson with a Gaussian kernel of width .35 in two dimensions; 3 % noise on the embedding.",
        LinearRegression(d_in=2, context=40, input_scale=1.0),
        nadaraya_watson(0.35),
        0.03,
    ),
    _rule(
        "mean_label",
        "mean_label: no query changes the answer; it is all N neighbours only at this N.",
        LinearRegression(d_in=2, context=5),
        mean_label,
    ),
    _rule(
        "mean_label",
        "mean_label on noisy labels of long contexts.",
        LinearRegression(d_in=5, context=36, label_noise=0.5),
        mean_label,
    ),
    _learner(
        "averaging",
        "averaging: m / N, which is gd 1 of size 1 / N at this N and not at another, with a 5 % noise embedding.",
        LinearRegression(d_in=8, context=20, law="normal", input_scale=1.0),
        Averaging(),
        0.05,
    ),
    _learner(
        "averaging",
        "averaging of short contexts with small inputs: it is far too small to predict well, and exact.",
        LinearRegression(d_in=3, context=6),
        Averaging(),
    ),
    _rule(
        "truncated_spectrum",
        "truncated_spectrum of rank 2 of 6.",
        LinearRegression(d_in=6, context=20, input_scale=1.0),
        truncated_spectrum(2),
    ),
    _rule(
        "truncated_spectrum",
        "truncated_spectrum of rank 5 of 10 on noisy labels.",
        LinearRegression(d_in=10, context=12, law="normal", input_scale=1.0, label_noise=0.5),
        truncated_spectrum(5),
    ),
    _rule(
        "gradient_flow",
        "gradient_flow stopped where a middle eigenvalue has decayed by half: many small steps, none of them large.",
        LinearRegression(d_in=8, context=16, law="normal", input_scale=1.0),
        gradient_flow(0.06),
    ),
    _rule(
        "lms",
        "lms: one pass in order; the first example is corrected by all later ones.",
        LinearRegression(d_in=4, context=10, law="normal", input_scale=1.0),
        lms(0.2),
    ),
    _rule(
        "lms",
        "lms that nearly forgets the first of forty examples; noisy labels and a 3 % noise embedding.",
        LinearRegression(d_in=8, context=40, input_scale=1.0, label_noise=0.3),
        lms(0.3),
        0.03,
    ),
    _rule(
        "kernel_ridge",
        "kernel_ridge with a Gaussian kernel of width .5; it goes back to zero far from the examples.",
        LinearRegression(d_in=2, context=20, input_scale=1.0),
        kernel_ridge(0.5, 0.05),
        also=("kernel_regression",),
    ),
    _rule(
        "kernel_ridge",
        "kernel_ridge with a Gaussian kernel of width 1.2 on noisy labels and a 4 % noise embedding.",
        LinearRegression(d_in=3, context=30, law="normal", input_scale=1.0, label_noise=0.5),
        kernel_ridge(1.2, 0.5),
        0.04,
        ("kernel_regression",),
    ),
    _pool(
        "pool_bayes over the task's 8 teachers: noise keeps several of them likely after four examples.",
        LinearRegression(d_in=6, context=4, input_scale=1.0, label_noise=1.0, teachers=8, teachers_seed=5),
    ),
    _pool(
        "pool_bayes over the task's 32 teachers; a 2 % noise embedding changes which of them are likely.",
        LinearRegression(
            d_in=4, context=3, law="normal", input_scale=1.0, label_noise=0.8, teachers=32, teachers_seed=11
        ),
        0.02,
    ),
]
