"""GD++: layer, learner and the explicit token algorithm are one thing to 1e-10, and its spectrum is the derived one."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from mesa.construction import gradient_step_model
from mesa.learners import GradientDescent
from tasks import LinearRegression, PairedReader, half_squared_error

EXACT: dict[str, Any] = {"rtol": 0.0, "atol": 1e-10}
# gamma and c a step, chosen so that no step amplifies rounding.
GAMMAS, SIZES = (0.15, 0.3, 0.2, 0.1, 0.25), (0.3, 0.5, 0.4, 0.2, 0.3)


def prompts(seeded, d_in=3, d_out=1, context=5, scale=0.5):
    task = LinearRegression(d_in=d_in, d_out=d_out, context=context, label_noise=0.1, input_scale=scale)
    return task.sample(6, seeded(0), queries=2).to(dtype=torch.float64)


def explicit(prompt, gammas, sizes, clip=np.inf) -> np.ndarray:
    """Token by token, prompt by prompt, as science has it: both updates from the tokens before the layer."""
    predictions = np.zeros((len(sizes), *prompt.target.shape))
    for b in range(len(prompt.x)):
        x, y = prompt.x[b].numpy(), prompt.y[b].numpy()
        q, r = prompt.query[b].numpy(), np.zeros(prompt.target[b].shape)
        for k, (gamma, size) in enumerate(zip(gammas, sizes, strict=True)):
            S, moment = sum(np.outer(v, v) for v in x), sum(np.outer(v, u) for v, u in zip(x, y, strict=True))
            x, q, y, r = x - gamma * x @ S, q - gamma * q @ S, y - size * x @ moment, r - size * q @ moment
            x, q, y, r = (np.clip(part, -clip, clip) for part in (x, q, y, r))
            predictions[k, b] = -r
    return predictions


@pytest.mark.parametrize(("d_in", "d_out", "context"), [(1, 1, 1), (3, 1, 5), (10, 1, 10), (4, 3, 6), (6, 2, 3)])
@pytest.mark.parametrize("steps", [1, 2, 5])
@pytest.mark.parametrize("tied", [False, True])
def test_layers_are_steps(seeded, d_in, d_out, context, steps, tied):
    prompt = prompts(seeded, d_in, d_out, context)
    gammas = (0.2,) * steps if tied else GAMMAS[:steps]
    sizes = (0.4,) * steps if tied else SIZES[:steps]
    learner = GradientDescent(sizes, steps, gamma=gammas, shared=tied)
    predicted = learner.predict(prompt)
    np.testing.assert_allclose(predicted.numpy(), explicit(prompt, gammas, sizes), rtol=0, atol=1e-10)
    model, reader = gradient_step_model(sizes, d_in=d_in, d_out=d_out, steps=steps, gamma=gammas, tied=tied), None
    reader = PairedReader(d_out)
    inputs = reader.encode(prompt)
    _, cache = model.run_with_cache(inputs)
    stages = torch.stack([reader.decode(cache["resid_post", layer], inputs) for layer in range(steps)])
    torch.testing.assert_close(stages, predicted, **EXACT)
    weights = learner.weights(prompt)
    assert weights is not None
    torch.testing.assert_close(prompt.query @ weights, predicted, **EXACT)
    # The correction matters: plain steps of the same sizes are elsewhere.
    plain = GradientDescent(sizes, steps, shared=False).predict(prompt)[-1]
    assert steps == 1 or (plain - predicted[-1]).abs().max() > 1e-4


@pytest.mark.parametrize("clip", [0.2, 10.0])
def test_clipped_steps_are_clipped_layers(seeded, clip):
    prompt = prompts(seeded, scale=1.5)
    learner = GradientDescent(SIZES[:3], 3, gamma=GAMMAS[:3], shared=False, clip=clip)
    predicted = learner.predict(prompt)
    np.testing.assert_allclose(predicted.numpy(), explicit(prompt, GAMMAS[:3], SIZES[:3], clip), rtol=1e-10, atol=1e-10)
    model = gradient_step_model(SIZES[:3], d_in=3, steps=3, gamma=GAMMAS[:3], clip=clip)
    inputs = PairedReader().encode(prompt)
    torch.testing.assert_close(PairedReader().decode(model(inputs), inputs), predicted[-1], rtol=1e-10, atol=1e-10)
    assert learner.weights(prompt) is None
    free = replace(learner, clip=None).predict(prompt)[-1]
    assert torch.allclose(free, predicted[-1]) == bool(free.abs().max() < clip)


def test_another_start_goes_into_the_tokens(seeded):
    prompt, W0 = prompts(seeded), torch.tensor([[0.3], [-0.2], [0.5]], dtype=torch.float64)
    moved = replace(prompt, y=prompt.y - prompt.x @ W0)
    model = gradient_step_model(0.4, d_in=3, steps=3, gamma=0.2)
    reader = PairedReader(start=W0)
    inputs = reader.encode(moved)
    x, y = inputs.values[..., :3], inputs.values[..., 3:]
    # By hand: every layer moves residuals and inputs, the prediction starts at W0 x_q.
    known = slice(0, prompt.x.shape[1])
    for _ in range(3):
        S, moment = x[:, known].mT @ x[:, known], x[:, known].mT @ y[:, known]
        x, y = x - 0.2 * x @ S, y - 0.4 * x @ moment
    torch.testing.assert_close(reader.decode(model(inputs), inputs), -y[:, -2:], **EXACT)
    with pytest.raises(ValueError, match="start: with a gamma"):
        gradient_step_model(0.4, d_in=3, steps=3, gamma=0.2, start=W0)


def test_eigenvalues_become_l_times_one_minus_gamma_l_squared(seeded):
    prompt = prompts(seeded, d_in=4, context=6)
    _, cache = gradient_step_model(0.4, d_in=4, steps=2, gamma=0.3).run_with_cache(PairedReader().encode(prompt))
    before, after = (cache["resid_pre", layer][:, :6, :4] for layer in (0, 1))
    old, new = (torch.linalg.eigvalsh(x.mT @ x) for x in (before, after))
    expected = (old * (1 - 0.3 * old) ** 2).sort(dim=-1).values
    torch.testing.assert_close(new, expected, **EXACT)


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("steps", [1, 2, 3])
def test_tuned_settings_beat_gradient_descent_and_are_stationary(seeded, steps, shared):
    prompt = LinearRegression(d_in=5, context=8).sample(400, seeded(0)).to(dtype=torch.float64)

    def loss(learner) -> float:
        return half_squared_error(learner.predict(prompt)[-1], prompt.target).item()

    tuned = GradientDescent(gamma=0.0, steps=steps, shared=shared).fit(prompt)
    plain = GradientDescent(steps=steps).fit(prompt)
    assert loss(tuned) <= loss(plain) * (1 + 1e-9)
    assert steps == 1 or loss(tuned) < 0.9 * loss(plain)
    if shared:
        for field in ("gamma", "step_size"):
            for factor in (0.97, 1.03):
                moved = replace(tuned, **{field: getattr(tuned, field) * factor})
                # One step has no gamma: zero stays zero.
                assert loss(moved) >= loss(tuned) - 1e-12
    else:
        assert loss(tuned) <= loss(GradientDescent(gamma=0.0, steps=steps).fit(prompt)) + 1e-9
        assert tuned.gammas[-1] == 0.0


@pytest.mark.parametrize("steps", [2, 3])
def test_one_size_a_step_beats_a_shared_one(seeded, steps):
    prompt = LinearRegression(d_in=5, context=8).sample(400, seeded(0)).to(dtype=torch.float64)
    apart, shared = (GradientDescent(steps=steps, shared=shared).fit(prompt) for shared in (False, True))

    def loss(learner) -> float:
        return half_squared_error(learner.predict(prompt)[-1], prompt.target).item()

    assert loss(apart) < 0.99 * loss(shared)
    assert len(set(apart.step_sizes)) == steps
    # The order of the sizes changes no last prediction.
    turned = replace(apart, step_size=apart.step_sizes[::-1])
    assert loss(turned) == pytest.approx(loss(apart), rel=1e-9)
    assert apart.name == "gd_per_step" and shared.name == "gd"


def test_contradictions_are_refused():
    for gamma in (None, 0.0):
        with pytest.raises(ValueError, match="step_size: 2 values for 3 steps"):
            GradientDescent(step_size=(0.1, 0.2), steps=3, shared=False, gamma=gamma)
        with pytest.raises(ValueError, match=r"step_size: .* must be one value"):
            GradientDescent(step_size=(0.1, 0.2), steps=2, gamma=gamma)
        with pytest.raises(ValueError, match="steps: 0"):
            GradientDescent(steps=0, gamma=gamma)
    with pytest.raises(ValueError, match=r"start: GD\+\+ starts at zero"):
        GradientDescent(gamma=0.1, start=torch.ones(2, 1))
    with pytest.raises(ValueError, match="gamma: 1 values for 2 steps"):
        GradientDescent(gamma=(0.1,), steps=2)


def test_the_search_also_starts_from_corrections_that_grow_from_step_to_step(seeded):
    """From the shared pair or from gradient descent alone it ends a fifth higher, at .051."""
    prompt = LinearRegression().sample(500, seeded(0)).to(dtype=torch.float64)
    tuned = GradientDescent(gamma=0.0, steps=3, shared=False).fit(prompt)
    assert half_squared_error(tuned.predict(prompt)[-1], prompt.target).item() < 0.045


def test_the_search_of_many_steps_finds_corrections_that_grow_ninefold(seeded):
    """The derivation is at `mesa.learners.descent.fit`; a search of raw numbers ends at twice this loss or more."""
    prompt = LinearRegression(d_in=5, context=5).sample(500, seeded(0))
    fit = GradientDescent(gamma=0.0, steps=4, shared=False).fit(prompt)
    growth = np.array(fit.gammas[1:3]) / np.array(fit.gammas[:2])
    assert (growth > 7).all() and (growth < 11).all(), growth
