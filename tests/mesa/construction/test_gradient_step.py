"""The constructed model is the explicit algorithm: 1e-10 in float64, where nothing but rounding is left.

Step sizes keep the steps stable (c |S| below 2), so that rounding is not amplified.
"""

from typing import Any

import pytest
import torch

from mesa.construction import gradient_step_model
from mesa.learners import GradientDescent, PreconditionedGradientDescent
from tasks import LinearRegression, PairedReader

EXACT: dict[str, Any] = {"rtol": 0.0, "atol": 1e-10}
SIZES = [(1, 1, 1), (3, 1, 5), (10, 1, 10), (4, 3, 6), (6, 2, 3)]
SHAPES = pytest.mark.parametrize(("d_in", "d_out", "context"), SIZES)


def draw(seeded, *shape):
    return torch.randn(*shape, generator=seeded(7), dtype=torch.float64)


def prompts(seeded, d_in=3, d_out=1, context=5, queries=2):
    task = LinearRegression(d_in=d_in, d_out=d_out, context=context, label_noise=0.1)
    return task.sample(6, seeded(0), queries).to(dtype=torch.float64)


def by_layer(model, reader, prompt) -> torch.Tensor:
    """The prediction decoded after each layer."""
    inputs = reader.encode(prompt)
    _, cache = model.run_with_cache(inputs)
    return torch.stack([reader.decode(cache["resid_post", layer], inputs) for layer in range(model.cfg.n_layers)])


@SHAPES
@pytest.mark.parametrize("steps", [1, 2, 5])
@pytest.mark.parametrize("started", [False, True])
@pytest.mark.parametrize("tied", [False, True])
def test_every_layer_is_a_step(seeded, d_in, d_out, context, steps, started, tied):
    prompt = prompts(seeded, d_in, d_out, context)
    start = draw(seeded, d_in, d_out) if started else None
    reader = PairedReader(d_out, start)
    model = gradient_step_model(0.3, d_in=d_in, d_out=d_out, steps=steps, start=start, tied=tied)
    learner = GradientDescent(0.3, steps, start)
    predicted = by_layer(model, reader, prompt)
    torch.testing.assert_close(predicted, learner.predict(prompt), **EXACT)
    # Steps move the prediction by far more than the tolerance.
    assert (predicted[-1] - (0.0 if start is None else prompt.query @ start)).abs().max() > 1e-3
    assert torch.equal(reader.decode(model(reader.encode(prompt)), reader.encode(prompt)), predicted[-1])


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_heads_beyond_the_first_are_empty(seeded, steps):
    model = gradient_step_model(0.3, d_in=3, steps=steps, n_heads=4)
    assert not any(block.attn.W_V[1:].any() for block in model.blocks)
    learner = GradientDescent(0.3, steps)
    torch.testing.assert_close(
        by_layer(model, PairedReader(), prompts(seeded)), learner.predict(prompts(seeded)), **EXACT
    )


def test_each_step_may_have_its_size(seeded):
    sizes, prompt, start = (0.5, 0.1, 0.3), prompts(seeded, d_out=2), draw(seeded, 3, 2)
    model = gradient_step_model(sizes, d_in=3, d_out=2, steps=3, start=start)
    predicted = by_layer(model, PairedReader(2, start), prompt)
    for b in range(6):
        W = start.clone()
        for step, size in enumerate(sizes):
            gradient = torch.zeros_like(W)
            for i in range(5):
                gradient += torch.outer(prompt.x[b, i], prompt.x[b, i] @ W - prompt.y[b, i])
            W = W - size * gradient
            torch.testing.assert_close(predicted[step, b], prompt.query[b] @ W, **EXACT)


@pytest.mark.parametrize("steps", [1, 3])
def test_a_preconditioner_multiplies_the_gradient(seeded, steps):
    # Not symmetric, so that its transpose would be noticed.
    P, prompt = torch.eye(3, dtype=torch.float64) + 0.3 * draw(seeded, 3, 3), prompts(seeded, d_out=2)
    model = gradient_step_model(0.3, d_in=3, d_out=2, steps=steps, preconditioner=P)
    predicted = by_layer(model, PairedReader(2), prompt)
    W = torch.zeros(6, 3, 2, dtype=torch.float64)
    for step in range(steps):
        W = W + 0.3 * P @ (prompt.x.mT @ (prompt.y - prompt.x @ W))
        torch.testing.assert_close(predicted[step], prompt.query @ W, **EXACT)
    learner = PreconditionedGradientDescent(0.3 * P)
    torch.testing.assert_close(predicted[0], learner.predict(prompt)[0], **EXACT)


def test_a_small_mistake_is_seen(seeded):
    # The negative control of this file: what differs by a sign, a transpose or a per cent is told apart.
    start = draw(seeded, 3, 3)
    right: dict[str, Any] = {"step_size": 0.3, "d_in": 3, "d_out": 3, "steps": 2, "start": start}
    prompt, reader = prompts(seeded, d_out=3), PairedReader(3, start)
    learner = GradientDescent(0.3, 2, start).predict(prompt)[-1]
    changes = {"sign": {"step_size": -0.3}, "size": {"step_size": 0.303}, "steps": {"steps": 1}}
    changes |= {"transposed": {"start": start.T}, "no start": {"start": None}}
    inputs = reader.encode(prompt)
    for name, change in {"right": {}, **changes}.items():
        model = gradient_step_model(**{**right, **change})
        distance = (reader.decode(model(inputs), inputs) - learner).abs().max()
        assert (distance < 1e-10) == (name == "right"), name
    plain = PairedReader(3).encode(prompt)
    assert (reader.decode(gradient_step_model(**right)(plain), plain) - learner).abs().max() > 1e-3


def test_in_float32_it_is_good_to_float32(seeded):
    model = gradient_step_model(0.3, d_in=3, steps=2, dtype=torch.float32)
    prompt = prompts(seeded).to(dtype=torch.float32)
    torch.testing.assert_close(by_layer(model, PairedReader(), prompt), GradientDescent(0.3, 2).predict(prompt))


def test_contradictions_are_refused():
    with pytest.raises(ValueError, match="step_size: 2 values for 3 steps"):
        gradient_step_model((0.1, 0.2), d_in=3, steps=3)
    with pytest.raises(ValueError, match=r"step_size: .* must be one value"):
        gradient_step_model((0.1, 0.2), d_in=3, steps=2, tied=True)
