"""Near misses that are other algorithms, as predictors in the model's place: as good as the model, or almost it."""

from dataclasses import replace

from mesa.learners import GradientDescent, Newton
from probes.behaviour.agreement import SEARCHED
from probes.controls.constructed import tuning_prompts
from probes.subject import RegressionSubject
from probes.weights.normalised_products import plus_plus
from tasks.predictor import RegressionPredictor
from tasks.readers.reader import half_squared_error
from tasks.regression.sine import SineRegression

_SHORT = 0.7
# After so many steps a typical context's Newton iteration has converged.
_MOST_STEPS = 40


def one_step_fewer(subject: RegressionSubject) -> RegressionSubject | str:
    """Tuned GD++ with one step less than the model has layers (negative)."""
    if isinstance(subject.task, SineRegression):
        return "GD++ is for linear regression"
    if subject.n_layers < 2:
        return "one step less than a single layer's is no step"
    learner = plus_plus(subject, subject.n_layers - 1).fit(tuning_prompts(subject).batch(0, SEARCHED))
    return _in_its_place(subject, learner, "one_step_fewer")


def as_many_gd_steps(subject: RegressionSubject) -> RegressionSubject | str:
    """Tuned gradient descent with as many steps as the model has layers, clipped as its tokens are (negative)."""
    if isinstance(subject.task, SineRegression):
        return "these steps are for linear regression"
    model = subject.transformer
    learner = GradientDescent(steps=subject.n_layers, clip=None if model is None else model.config.clip)
    return _in_its_place(subject, learner.fit(tuning_prompts(subject).batch(0, SEARCHED)), "as_many_gd_steps")


def gd_steps_of_own_size(subject: RegressionSubject) -> RegressionSubject | str:
    """Tuned gradient descent with as many steps as the model has layers, each with a size of its own (negative)."""
    if isinstance(subject.task, SineRegression):
        return "these steps are for linear regression"
    if subject.n_layers < 2:
        return "a single step has one size"
    model = subject.transformer
    learner = GradientDescent(steps=subject.n_layers, shared=False, clip=None if model is None else model.config.clip)
    return _in_its_place(subject, learner.fit(tuning_prompts(subject).batch(0, SEARCHED)), "gd_steps_of_own_size")


def short_steps(subject: RegressionSubject) -> RegressionSubject | str:
    """As many steps of gradient descent, each 0.7 of the tuned size (negative).

    In one step the loss is a parabola in the size: on the default prompts it is 9 % above that of the tuned size.
    """
    steps = as_many_gd_steps(subject)
    if isinstance(steps, str) or not isinstance(steps.model, GradientDescent):
        return steps
    short = replace(steps.model, step_size=tuple(_SHORT * size for size in steps.model.step_sizes))
    return replace(steps, model=short, control="short_steps")


def newton_of_equal_loss(subject: RegressionSubject) -> RegressionSubject | str:
    """Newton's iteration with the number of steps whose loss is nearest to the model's (negative)."""
    if isinstance(subject.task, SineRegression):
        return "Newton's iteration is for linear regression"
    prompt = tuning_prompts(subject).batch(0, SEARCHED)
    loss = half_squared_error(subject.predict(prompt), prompt.target)
    guesses = Newton(steps=_MOST_STEPS).predict(prompt)
    gaps = [abs(float(half_squared_error(guess, prompt.target) - loss)) for guess in guesses]
    return _in_its_place(subject, Newton(steps=1 + gaps.index(min(gaps))), "newton_of_equal_loss")


def _in_its_place(subject: RegressionSubject, predictor: RegressionPredictor, control: str) -> RegressionSubject:
    """The subject with a predictor for a model; it reads clean prompts, of the model's dtype and on its device."""
    return replace(subject, model=predictor, control=control, prompt_dtype=subject.dtype, prompt_device=subject.device)
