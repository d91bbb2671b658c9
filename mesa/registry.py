"""The learners as rows of a registry: names, sentences and facts; nothing is loaded. Token predictors have a file."""

from typing import TYPE_CHECKING

from mesa.learner_row import CandidateSpace, LearnerRow, LearnerSettings
from mesa.token_predictor_rows import TOKEN_PREDICTORS, TokenPredictorRow
from tasks.registry import Registry

if TYPE_CHECKING:
    from mesa.learners.learner import Learner

# The registries of this package are offered together.
__all__ = ["LEARNERS", "TOKEN_PREDICTORS", "CandidateSpace", "LearnerRow", "TokenPredictorRow", "learner_of"]


def _preconditioner(steps: int, d_in: int) -> LearnerSettings:
    import torch

    # Not symmetric, so that a transpose would be noticed.
    return {"preconditioner": 0.3 * torch.eye(d_in) + 0.05 * torch.ones(d_in, d_in).triu()}


def _other_preconditioner(steps: int, d_in: int) -> LearnerSettings:
    import torch

    return {"preconditioner": 0.2 * torch.eye(d_in) + 0.05 * torch.ones(d_in, d_in).tril()}


# Ties in simplicity, the number of free parameters and of steps, are broken by the order of these rows.
LEARNERS = Registry(
    "learner",
    LearnerRow,
    {
        "gd": LearnerRow(
            target="mesa.learners.gradient_descent:GradientDescent",
            spectral=True,
            about="gradient descent; all steps share one size",
            takes_steps=True,
            free_parameters=lambda steps, d_in: 1,
            candidate_steps=lambda space: range(1, space.max_steps + 1),
            example=lambda steps, d_in: {"step_size": 0.3},
            plants={1: {"step_size": (0.9,)}, 2: {"step_size": (0.8,) * 2}, 3: {"step_size": (1.2,) * 3}},
        ),
        "gd_plus_plus": LearnerRow(
            target="mesa.learners.gradient_descent:GradientDescent",
            spectral=True,
            about="GD++: curvature corrected; all steps share one size and one gamma",
            settings={"gamma": 0.0},
            takes_steps=True,
            free_parameters=lambda steps, d_in: 2,
            # A single step is gradient descent's.
            candidate_steps=lambda space: range(2, space.max_steps + 1),
            example=lambda steps, d_in: {"gamma": 0.1, "step_size": 0.3},
            plants={
                2: {"gamma": (0.45,) * 2, "step_size": (1.4,) * 2},
                3: {"gamma": (0.4,) * 3, "step_size": (0.9,) * 3},
            },
        ),
        "gd_per_step": LearnerRow(
            target="mesa.learners.gradient_descent:GradientDescent",
            spectral=True,
            about="gradient descent; each step has a size of its own",
            settings={"shared": False},
            takes_steps=True,
            free_parameters=lambda steps, d_in: steps,
            candidate_steps=lambda space: range(2, space.max_steps + 1),
            example=lambda steps, d_in: {"step_size": (0.3, 0.2, 0.4)[:steps]},
            plants={2: {"step_size": (0.3, 1.5)}, 3: {"step_size": (0.2, 0.6, 1.6)}},
        ),
        "gd_plus_plus_per_step": LearnerRow(
            target="mesa.learners.gradient_descent:GradientDescent",
            spectral=True,
            about="GD++; each step has a size and a gamma of its own",
            settings={"gamma": 0.0, "shared": False},
            takes_steps=True,
            # The last step's gamma changes no prediction.
            free_parameters=lambda steps, d_in: 2 * steps - 1,
            candidate_steps=lambda space: range(2, space.max_costly_steps + 1),
            example=lambda steps, d_in: {"gamma": (0.2, 0.1, 0.05)[:steps], "step_size": (0.3, 0.2, 0.4)[:steps]},
            plants={2: {"gamma": (0.5, 0.0), "step_size": (0.3, 2.2)}},
        ),
        "preconditioned_gd": LearnerRow(
            target="mesa.learners.preconditioned:PreconditionedGradientDescent",
            about="gradient descent times one fixed matrix, which all steps share",
            # A preconditioner is symmetric; a fit to a model that rotates its queries is not.
            candidate_settings={"symmetric": True},
            takes_steps=True,
            free_parameters=lambda steps, d_in: d_in * (d_in + 1) // 2,
            equivariant=False,
            costly=True,
            # With this many parameters, more steps mostly fit noise.
            candidate_steps=lambda space: range(1, min(space.max_steps, 3) + 1),
            example=_preconditioner,
            plants={1: {}},
        ),
        "general_preconditioned_gd": LearnerRow(
            target="mesa.learners.preconditioned:PreconditionedGradientDescent",
            about="gradient descent times one fixed matrix that need not be symmetric; all steps share it",
            settings={"name": "general_preconditioned_gd"},
            takes_steps=True,
            free_parameters=lambda steps, d_in: d_in * d_in,
            equivariant=False,
            costly=True,
            candidate_steps=lambda space: range(1, min(space.max_steps, 3) + 1) if space.d_in > 1 else (),
            example=_other_preconditioner,
        ),
        "newton": LearnerRow(
            target="mesa.learners.newton:Newton",
            about="Newton-Schulz iteration for the inverse; takes steps, nothing to fit",
            spectral=True,
            takes_steps=True,
            # Further steps are least squares, which has a row of its own.
            candidate_steps=lambda space: range(1, 7),
            plants={2: {}, 4: {}},
        ),
        "newton_fitted_scale": LearnerRow(
            target="mesa.learners.newton:Newton",
            about="Newton-Schulz iteration with one fitted scale for all prompts; takes steps",
            settings={"fit_scale": True},
            takes_steps=True,
            spectral=True,
            free_parameters=lambda steps, d_in: 1,
            candidate_steps=lambda space: range(1, 7),
            example=lambda steps, d_in: {"scale": 0.02},
            plants={2: {"scale": 0.6}},
        ),
        "conjugate_gradients": LearnerRow(
            target="mesa.learners.conjugate_gradients:ConjugateGradients",
            about="conjugate gradients on the normal equations; takes steps, nothing to fit",
            takes_steps=True,
            candidate_steps=lambda space: range(1, min(space.d_in, 6) + 1),
            plants={2: {}},
        ),
        "coordinate_descent": LearnerRow(
            target="mesa.learners.coordinate_descent:CoordinateDescent",
            about="coordinate descent on the squared error; takes sweeps, nothing to fit",
            takes_steps=True,
            # Flipping signs changes nothing, but permuting coordinates changes which one is first.
            equivariant=False,
            candidate_steps=lambda space: range(1, 4) if space.d_in > 1 else (),
            plants={1: {}},
        ),
        "ridge": LearnerRow(
            target="mesa.learners.ridge:Ridge",
            about="ridge regression with a fitted penalty",
            spectral=True,
            free_parameters=lambda steps, d_in: 1,
            example=lambda steps, d_in: {"penalty": 0.1, "prior": tuple(0.5 + 0.2 * k for k in range(d_in))},
            plants={0: {"penalty": 0.15}},
        ),
        "nearest_neighbours": LearnerRow(
            target="mesa.learners.nearest_neighbours:NearestNeighbours",
            about="mean label of the nearest examples, their number fitted",
            continuous=False,
            free_parameters=lambda steps, d_in: 1,
            example=lambda steps, d_in: {"neighbours": 2},
            plants={0: {}},
        ),
        "averaging": LearnerRow(
            target="mesa.learners.averaging:Averaging",
            about="mean of label times input, nothing to fit",
            plants={0: {}},
        ),
        "least_squares": LearnerRow(
            target="mesa.learners.ridge:Ridge",
            about="least squares of least norm: ridge at a penalty of 0",
            settings={"fit_penalty": False},
            spectral=True,
            plants={0: {}},
        ),
        "mean_label": LearnerRow(
            target="mesa.learners.local.mean_label:MeanLabel",
            about="mean label of all examples, nothing to fit",
            plants={0: {}},
        ),
        "gradient_flow": LearnerRow(
            target="mesa.learners.filters.gradient_flow:GradientFlow",
            about="gradient descent in many small steps, stopped at a fitted time",
            spectral=True,
            free_parameters=lambda steps, d_in: 1,
            example=lambda steps, d_in: {"time": 1.3},
            plants={0: {"time": 3.0}},
        ),
        "truncated_spectrum": LearnerRow(
            target="mesa.learners.filters.cutoff:TruncatedSpectrum",
            about="least squares on the largest eigenvalues, their number fitted",
            spectral=True,
            continuous=False,
            free_parameters=lambda steps, d_in: 1,
            example=lambda steps, d_in: {"rank": 2},
            plants={0: {"rank": 3}},
        ),
        "spectral_cutoff": LearnerRow(
            target="mesa.learners.filters.cutoff:SpectralCutoff",
            about="least squares on eigenvalues above a fitted bound",
            spectral=True,
            continuous=False,
            free_parameters=lambda steps, d_in: 1,
            example=lambda steps, d_in: {"bound": 0.5},
            plants={0: {"bound": 0.35}},
        ),
        "kernel_regression": LearnerRow(
            target="mesa.learners.local.kernel_regression:KernelRegression",
            about="labels averaged with a Gaussian kernel of a fitted bandwidth",
            # The narrowest kernel gives all weight to the nearest example.
            limit="nearest_neighbours",
            free_parameters=lambda steps, d_in: 1,
            example=lambda steps, d_in: {"bandwidth": 0.4},
            plants={0: {}},
        ),
        "kernel_ridge": LearnerRow(
            target="mesa.learners.local.kernel_ridge:KernelRidge",
            about="ridge regression with a Gaussian kernel of a fitted bandwidth and a fitted penalty",
            free_parameters=lambda steps, d_in: 2,
            costly=True,
            example=lambda steps, d_in: {"bandwidth": 0.8, "penalty": 0.1},
        ),
        "softmax_regression": LearnerRow(
            target="mesa.learners.local.kernel_regression:SoftmaxRegression",
            about="labels averaged by softmax attention of a fitted temperature, times a fitted scale",
            free_parameters=lambda steps, d_in: 2,
            example=lambda steps, d_in: {"temperature": 0.2, "scale": 1.5},
            plants={0: {}},
        ),
        "least_mean_squares": LearnerRow(
            target="mesa.learners.least_mean_squares:LeastMeanSquares",
            about="one pass over the examples in their order, a step of one fitted size for each",
            free_parameters=lambda steps, d_in: 1,
            order_free=False,
            example=lambda steps, d_in: {"step_size": 0.4},
            plants={0: {}},
        ),
        "heavy_ball": LearnerRow(
            target="mesa.learners.filters.momentum:Momentum",
            about="gradient descent with momentum; all steps share one size",
            takes_steps=True,
            spectral=True,
            free_parameters=lambda steps, d_in: 2,
            # Two steps with momentum are two plain steps of a size each.
            candidate_steps=lambda space: range(3, space.max_steps + 1),
            example=lambda steps, d_in: {"step_size": 0.25, "momentum": 0.5},
            plants={3: {"step_size": 0.8, "momentum": 0.8}},
        ),
        "nesterov": LearnerRow(
            target="mesa.learners.filters.momentum:Momentum",
            about="Nesterov's accelerated gradient descent; all steps share one size",
            settings={"ahead": True},
            takes_steps=True,
            spectral=True,
            free_parameters=lambda steps, d_in: 2,
            candidate_steps=lambda space: range(3, space.max_steps + 1),
            example=lambda steps, d_in: {"step_size": 0.25, "momentum": 0.5},
            plants={3: {"step_size": 0.5, "momentum": 0.7}},
        ),
        "weight_decay": LearnerRow(
            target="mesa.learners.filters.weight_decay:WeightDecay",
            about="gradient descent on the loss of ridge regression (weight decay); all steps share one size",
            takes_steps=True,
            spectral=True,
            free_parameters=lambda steps, d_in: 2,
            # One step is gradient descent's.
            candidate_steps=lambda space: range(2, space.max_steps + 1),
            example=lambda steps, d_in: {"step_size": 0.25, "penalty": 0.4},
            plants={2: {"step_size": 1.0, "penalty": 0.3}},
        ),
    },
)


def learner_of(name: str, steps: int = 1) -> "Learner":
    """The learner of this name, not yet fitted; one without steps ignores their number.

    Raises UserError, with the nearest name, where there is none.

    >>> learner_of("newton", steps=3).steps
    3
    """
    return LEARNERS[name].learner(steps)
