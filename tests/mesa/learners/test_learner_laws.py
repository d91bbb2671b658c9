"""What every learner of the catalogue obeys, in both precisions, for short, square and long contexts."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from mesa.errors import UserError
from mesa.learners import LEARNERS, GradientDescent, Learner, Ridge, learner_of
from mesa.learners.filters.projection import Projection
from mesa.learners.filters.response import SpectralLearner
from mesa.learners.spectrum import spectrum
from tasks import LinearRegression, half_squared_error
from tasks.predictor import RegressionPredictor

STEPS = 3
D_IN = 5
# Their predictions are not linear in the query; those of the second set are not smooth in it.
NOT_LINEAR = {"nearest_neighbours", "mean_label", "kernel_regression", "kernel_ridge", "softmax_regression"}
FLAT = {"nearest_neighbours", "mean_label"}
NAMES = pytest.mark.parametrize("name", LEARNERS)
DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
CONTEXTS = pytest.mark.parametrize("context", [3, 5, 12])
OUTPUTS = pytest.mark.parametrize("d_out", [1, 3])


def prompts(seeded, dtype, context, d_out, batch=6, seed=0, queries=4):
    task = LinearRegression(d_in=D_IN, d_out=d_out, context=context, label_noise=0.2)
    return task.sample(batch, seeded(seed), queries).to(dtype=dtype)


def made(name, steps=STEPS) -> Any:
    """The learner with its row's example settings: stable, and distinct from step to step where they may be."""
    row = LEARNERS[name]
    return row.predictor(steps, **row.example(steps, D_IN))


def close(dtype, slack: float = 1.0) -> dict[str, Any]:
    # Square contexts have a condition number of about a hundred here.
    return {"rtol": 0.0, "atol": slack * (1e-10 if dtype == torch.float64 else 2e-3)}


@NAMES
@DTYPES
@CONTEXTS
@OUTPUTS
def test_the_laws(seeded, name, dtype, context, d_out):
    prompt = prompts(seeded, dtype, context, d_out)
    learner = made(name)
    assert isinstance(learner, Learner) and isinstance(learner, RegressionPredictor)
    assert learner.name == name
    guess, weights = learner.predict(prompt), learner.weights(prompt)
    steps = STEPS if LEARNERS[name].takes_steps else 1
    assert guess.shape == (steps, 6, 4, d_out)
    assert guess.dtype == dtype
    assert guess.isfinite().all()

    # A prediction is the query times the weights, and its gradient in the query is the weights.
    query = prompt.query.clone().requires_grad_()
    for step in range(steps):
        predicted = learner.predict(replace(prompt, query=query))[step]
        for o in range(d_out):
            (slope,) = torch.autograd.grad(predicted[..., o].sum(), query, retain_graph=True)
            if weights is None and name not in FLAT:
                continue
            expected = torch.zeros_like(slope) if weights is None else weights[step, :, None, :, o].expand_as(slope)
            torch.testing.assert_close(slope, expected, **close(dtype, 0.01))
    if weights is None:
        assert name in NOT_LINEAR
    else:
        torch.testing.assert_close(guess, prompt.query @ weights, **close(dtype, 0.01))

    # The order of the examples says nothing, or the row says that it does.
    order = torch.arange(context).flip(0)
    reordered = learner.predict(prompt.permute(order))
    assert torch.allclose(reordered, guess, **close(dtype)) == LEARNERS[name].order_free

    # A prompt is answered alike alone and in company, and a query alike alone and beside others.
    for at in range(0, 6, 3):
        torch.testing.assert_close(learner.predict(prompt.batch(at, at + 1)), guess[:, at : at + 1], **close(dtype))
    asked = replace(prompt, query=prompt.query[:, :1], target=prompt.target[:, :1])
    torch.testing.assert_close(learner.predict(asked), guess[:, :, :1], **close(dtype, 0.01))

    # What is asked is no part of what is learned from: targets do not matter.
    torch.testing.assert_close(learner.predict(replace(prompt, target=prompt.target + 1.0)), guess, rtol=0, atol=0)


@NAMES
@pytest.mark.parametrize(
    ("dtype", "context", "d_out", "target"),
    [
        (torch.float64, 12, 1, "own"),
        (torch.float32, 5, 1, "own"),
        (torch.float64, 3, 3, "strange"),
        (torch.float32, 3, 3, "zero"),
    ],
)
def test_tuning_makes_a_new_learner_that_is_no_worse(seeded, name, dtype, context, d_out, target):
    prompt = prompts(seeded, dtype, context, d_out, batch=40)
    # Targets of any origin: the task's own, and what no learner would say.
    strange = torch.sin(7.0 * prompt.query.sum(dim=-1, keepdim=True)).expand_as(prompt.target)
    asked = {"own": prompt.target, "strange": strange, "zero": torch.zeros_like(prompt.target)}[target]
    prompt, plain = replace(prompt, target=asked), made(name, 2)
    tuned = plain.fit(prompt)
    assert tuned is not plain
    assert tuned.name == name
    before, after = (half_squared_error(each.predict(prompt)[-1], asked).item() for each in (plain, tuned))
    # Tuned in float64 and compared in the prompt's type.
    assert after <= before * (1 + 1e-5) + 1e-12


@pytest.mark.parametrize("name", [name for name in LEARNERS if name != "averaging"])
def test_inputs_and_labels_of_any_scale_are_tuned_for(seeded, name):
    # In other units of x and y the loss is what it was, in the labels' units. (Averaging has nothing to adapt.)
    prompt = prompts(seeded, torch.float64, 12, 1, batch=100)
    costs = []
    for x, y in ((1.0, 1.0), (1e-3, 1e3), (1e3, 1e-3)):
        other = replace(prompt, x=x * prompt.x, query=x * prompt.query, y=y * prompt.y, target=y * prompt.target)
        tuned = learner_of(name, 2).fit(other)
        costs.append(half_squared_error(tuned.predict(other)[-1], other.target).item() / y**2)
        assert torch.equal(learner_of(name, 2).fit(other).predict(other), tuned.predict(other))
    # What a search leaves undone at its tolerance.
    assert costs == pytest.approx([costs[0]] * 3, rel=1e-4)


@NAMES
def test_contexts_without_information_are_answered(seeded, name):
    # All labels zero, or all inputs: the answer is zero, not a division by it.
    prompt = prompts(seeded, torch.float64, 5, 1)
    learner = made(name)
    for x, y in ((prompt.x, torch.zeros_like(prompt.y)), (torch.zeros_like(prompt.x), torch.zeros_like(prompt.y))):
        assert not learner.predict(replace(prompt, x=x, y=y)).any()
    if learner.weights(prompt) is not None:
        assert not learner.predict(replace(prompt, x=torch.zeros_like(prompt.x))).any()


@pytest.mark.parametrize("name", [name for name, row in LEARNERS.items() if row.spectral])
def test_a_spectral_learner_is_its_response_and_fits_on_projections(seeded, name):
    prompt = prompts(seeded, torch.float64, 12, 1, batch=60)
    # Ridge with a prior is a function of the eigenvalues of scaled inputs.
    learner: Any = Ridge(0.1) if name == "ridge" else made(name)
    assert issubclass(type(learner), SpectralLearner)
    context = spectrum(prompt)
    weights = torch.stack([context.weights(inverse) for inverse in learner.response(context.values)])
    torch.testing.assert_close(weights, learner.weights(prompt), rtol=0, atol=1e-10)
    # Its fit to its own predictions, noise added, is as good as the general search's; a loss has several minima.
    noise = 0.1 * torch.randn(prompt.target.shape, generator=seeded(3), dtype=torch.float64)
    own = replace(prompt, target=learner.predict(prompt)[-1] + noise)
    projected, searched = learner.fit_projected(Projection.of(own)), learner.fit(own)
    errors = [half_squared_error(each.predict(own)[-1], own.target).item() for each in (projected, searched, learner)]
    assert errors[0] <= min(errors[1:]) * 1.005


def test_learners_differ(seeded):
    # The laws would also hold if all names meant one algorithm.
    prompt = prompts(seeded, torch.float64, 12, 1, batch=200)
    guesses = {name: made(name).predict(prompt)[-1] for name in LEARNERS}
    for name, guess in guesses.items():
        for other, value in guesses.items():
            assert name == other or (guess - value).square().mean().sqrt() > 1e-3, (name, other)


def test_the_catalogue_knows_its_names():
    assert all(learner_of(name).name == name for name in LEARNERS)
    assert isinstance(learner_of("gd", 4), GradientDescent)
    assert isinstance(learner_of("least_squares", steps=4), Ridge)
    with pytest.raises(UserError, match=r"learner: 'newtan' is not known \(did you mean 'newton'\?\)"):
        learner_of("newtan")


@pytest.mark.parametrize("name", ["preconditioned_gd", "newton", "conjugate_gradients"])
def test_no_step_is_refused(name):
    with pytest.raises(ValueError, match="steps: 0 must be at least 1"):
        learner_of(name, steps=0)
