"""The kernel is the model: loss and every gradient, for random shapes, clipped or not, on either kind of processor."""

import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from mesa import InContextConfig, InContextTransformer
from tasks import InterleavedReader, LinearRegression, PairedReader

pytest.importorskip("llvmlite")

from tests.helpers.kernels import AVX2, kernel

BOUNDS = {torch.float64: 1e-10, torch.float32: 1e-5}


def with_gradients(model, loss):
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    return loss.detach(), torch.autograd.grad(loss, trained)


def agree(model, reader, prompt, quick):
    """Loss and gradients of `quick` and of the model itself, as exact as numbers of this type allow.

    Rounding is relative to what is added and subtracted: for the loss, predictions and targets; for gradients, the
    largest entry of any. Where all is clipped the gradient is zero.
    """
    bound, inputs = BOUNDS[model.cfg.dtype], reader.encode(prompt)
    prediction = reader.decode(model(inputs), inputs)
    (loss, gradients), (other, others) = (
        with_gradients(model, each) for each in (reader.loss(prediction, prompt), quick)
    )
    size = 0.5 * (prediction.square() + prompt.target.square()).sum(-1).mean()
    assert abs(loss - other) <= bound * size
    largest = max(float(gradient.abs().max()) for gradient in gradients) or 1e-12
    for gradient, compared in zip(gradients, others, strict=True):
        assert (gradient - compared).abs().max() <= bound * largest


# A failing shape is small as it is; each further one costs a compilation.
@settings(max_examples=10, deadline=None, derandomize=True, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(data=st.data())
def test_loss_and_gradients_are_the_models_own(data):
    draw = data.draw
    layers, heads = draw(st.integers(1, 3), "layers"), draw(st.integers(1, 2), "heads")
    kernels = draw(st.lists(st.sampled_from(["linear", "linear", "softmax"]), min_size=layers, max_size=layers))
    d_in, d_out = draw(st.integers(1, 7), "d_in"), draw(st.integers(1, 2), "d_out")
    dtype = draw(st.sampled_from([torch.float64, torch.float64, torch.float32]))
    tied = draw(st.booleans()) and len(set(kernels)) == 1
    config = InContextConfig(
        n_layers=layers,
        n_heads=heads,
        d_head=draw(st.sampled_from([None, 1, 3])),
        kernel=kernels[0] if tied else kernels,
        tied=tied,
        clip=draw(st.sampled_from([None, 0.3, 2.0])),
    )
    task = LinearRegression(d_in=d_in, d_out=d_out, context=draw(st.integers(1, 30), "context"))
    paired = draw(st.booleans())
    start = torch.randn(d_in, d_out, generator=torch.Generator().manual_seed(3)) if draw(st.booleans()) else None
    reader = PairedReader(d_out, start) if paired else InterleavedReader(d_out, channels=4)
    source = torch.Generator().manual_seed(draw(st.integers(0, 99)))
    prompt = task.sample(draw(st.integers(1, 40), "batch"), source, queries=draw(st.integers(1, 3), "queries"))
    prompt = prompt.to(dtype=dtype)
    model = lively_model(config, reader.encode(prompt).values.shape[2], dtype, source)
    path = kernel(model, draw(st.sampled_from([None, AVX2])), reader)
    agree(model, reader, prompt, path.loss(prompt))


def lively_model(config, d_token, dtype, source, scale=0.3):
    model = InContextTransformer(config, d_token, dtype=dtype)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.requires_grad:
                weight.normal_(0.0, scale, generator=source)
    return model
