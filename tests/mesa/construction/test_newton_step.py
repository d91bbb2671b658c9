"""The Newton model is Newton-Schulz iteration, layer by layer, to 1e-10; its learner with one scale is the same."""

import numpy as np
import pytest
import torch

from mesa.construction import newton_model
from mesa.learners import Newton, Ridge
from tasks import LinearRegression, PairedReader


def explicit(prompt, scale, steps) -> np.ndarray:
    predictions = []
    for x, y, q in zip(prompt.x.numpy(), prompt.y.numpy(), prompt.query.numpy(), strict=True):
        S = x.T @ x
        M = scale * S
        for _ in range(steps):
            M = 2 * M - M @ S @ M
        predictions.append(q @ M @ x.T @ y)
    return np.array(predictions)


@pytest.mark.parametrize(("d_in", "d_out", "context"), [(1, 1, 3), (3, 1, 5), (5, 2, 8), (6, 1, 3)])
@pytest.mark.parametrize("steps", [1, 2, 4])
def test_the_model_is_the_iteration(seeded, d_in, d_out, context, steps):
    task = LinearRegression(d_in=d_in, d_out=d_out, context=context, label_noise=0.1)
    prompt = task.sample(5, seeded(0), queries=2).to(dtype=torch.float64)
    scale = 0.5 / float(torch.linalg.matrix_norm(prompt.x.mT @ prompt.x, ord=2).max()) ** 2
    model, reader = newton_model(scale, d_in=d_in, d_out=d_out, steps=steps), PairedReader(d_out)
    assert (model.cfg.n_layers, model.cfg.d_model) == (steps + 2, 2 * d_in + d_out)
    inputs = reader.encode(prompt)
    predicted = reader.decode(model(inputs), inputs).detach().numpy()
    np.testing.assert_allclose(predicted, explicit(prompt, scale, steps), rtol=0, atol=1e-10)
    learner = Newton(steps, scale=scale).predict(prompt)[-1].numpy()
    np.testing.assert_allclose(learner, predicted, rtol=0, atol=1e-10)


def test_it_ends_at_least_squares(seeded):
    prompt = LinearRegression(d_in=3, context=12).sample(5, seeded(0)).to(dtype=torch.float64)
    scale = 1.0 / float(torch.linalg.matrix_norm(prompt.x.mT @ prompt.x, ord=2).max()) ** 2
    model, reader = newton_model(scale, d_in=3, steps=16), PairedReader()
    inputs = reader.encode(prompt)
    torch.testing.assert_close(
        reader.decode(model(inputs), inputs), Ridge.least_squares().predict(prompt)[-1], rtol=0, atol=1e-6
    )
    # One step is not there yet.
    early = newton_model(scale, d_in=3, steps=1)
    assert (reader.decode(early(inputs), inputs) - prompt.target).abs().max() > 1e-2


def test_no_step_is_refused():
    with pytest.raises(ValueError, match="steps: 0"):
        newton_model(0.1, d_in=3, steps=0)
