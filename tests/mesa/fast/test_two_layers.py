"""Two layers without the tokens between them are the model, for interleaved tokens and after any softmax layer."""

import pytest
import torch

from mesa import fast
from mesa.fast import two_layers
from tasks import InterleavedReader, LinearRegression, PairedReader

BOTH = ["softmax", "linear"]
# Models, the number of queries, and whether these are few enough that the tokens between two layers are not computed.
MODELS = {
    "preset": ({"n_layers": 2, "kernel": BOTH}, 1, True),
    "queries": ({"n_layers": 2, "kernel": BOTH}, 3, True),
    "heads": ({"n_layers": 2, "n_heads": 2, "kernel": BOTH, "d_head": 5}, 2, True),
    "softmax": ({"n_layers": 2, "n_heads": 2, "kernel": "softmax"}, 1, True),
    "three layers": ({"n_layers": 3, "kernel": ["linear", *BOTH]}, 1, True),
    "tied": ({"n_layers": 3, "kernel": "softmax", "tied": True}, 1, True),
    "embedding": ({"n_layers": 2, "kernel": BOTH, "d_model": 14}, 1, True),
    "many queries": ({"n_layers": 2, "kernel": BOTH}, 12, False),
    "clipped": ({"n_layers": 2, "kernel": BOTH, "clip": 0.5}, 1, False),
    "linear before softmax": ({"n_layers": 2, "kernel": BOTH[::-1]}, 1, False),
}


# Rounding is relative to the size of what is summed, so the bound is relative to each tensor's largest entry.
@pytest.mark.parametrize(("dtype", "bound"), [(torch.float32, 1e-5), (torch.float64, 1e-10)], ids=["f32", "f64"])
@pytest.mark.parametrize(("fields", "queries", "short"), MODELS.values(), ids=MODELS.keys())
def test_loss_and_gradients_are_the_models_own(lively, monkeypatch, fields, queries, short, dtype, bound):
    reader, taken, plain = InterleavedReader(), [], two_layers.last_two
    monkeypatch.setattr(two_layers, "last_two", lambda *args: taken.append(1) or plain(*args))
    prompt = LinearRegression(d_in=4, context=6).sample(16, torch.Generator().manual_seed(0), queries).to(dtype=dtype)
    model = lively(d_token=14, dtype=dtype, **fields)
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(0.5)
    path, inputs = fast.path(model, reader), reader.encode(prompt)
    assert path is not None
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    own, quick = reader.loss(reader.decode(model(inputs), inputs), prompt), path.loss(prompt)
    assert abs(own - quick) <= bound * own
    for one, other in zip(torch.autograd.grad(own, weights), torch.autograd.grad(quick, weights), strict=True):
        assert one.abs().max() > 0
        assert (one - other).abs().max() <= bound * one.abs().max()
    assert bool(taken) is short


def test_several_outputs_of_paired_tokens(lively):
    prompt = LinearRegression(d_in=10, d_out=2, context=6).sample(8, torch.Generator().manual_seed(0))
    prompt, reader = prompt.to(dtype=torch.float64), PairedReader(2)
    model = lively(d_token=12, n_layers=2, kernel=BOTH)
    path, inputs = fast.path(model, reader), reader.encode(prompt)
    assert path is not None
    own = reader.decode(model(inputs), inputs)
    assert (path.predict(prompt) - own).abs().max() <= 1e-10 * own.abs().max()
