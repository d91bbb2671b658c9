"""What the kernel must not change: bits of a repeated call, NaN, hooks, frozen weights; and how exact its exp is."""

import ctypes
import math

import numpy as np
import pytest
import torch

from tasks.prompt import RegressionPrompt

pytest.importorskip("llvmlite")

from mesa.fast.kernel.emit import INDEX, Emitter
from mesa.fast.kernel.exponential import exponential
from mesa.fast.kernel.machine import Code, machine
from mesa.fast.kernel.matrix import Buffer, Matrix
from tests.helpers.kernels import READER, gradients, kernel, plain, prompts

pytestmark = pytest.mark.skipif(machine(32) is None, reason="this processor has neither AVX2 nor AVX-512")


@pytest.mark.parametrize("fields", [{"n_layers": 3}, {"n_layers": 3, "clip": 0.5}, {"kernel": "softmax", "n_heads": 2}])
def test_two_calls_agree_bit_for_bit(lively, fields):
    model, prompt = lively(dtype=torch.float32, **fields), prompts(dtype=torch.float32)
    path = kernel(model)
    first, again = path.loss(prompt), path.loss(prompt)
    assert torch.equal(first, again)
    assert torch.equal(gradients(model, first), gradients(model, again))


def test_one_clipped_token_leaves_the_gram_form(lively):
    """The bound lies just below the largest entry of the context after layer 0, which one prompt of 40 holds."""
    prompt = prompts(batch=40)

    def model_of(clip):
        model = lively(n_layers=3, clip=clip)
        with torch.no_grad():
            for weight in model.parameters():
                weight.mul_(0.7)
        return model

    with torch.no_grad():
        _, cache = model_of(1e3).run_with_cache(READER.encode(prompt))
    bound = 0.99 * float(cache["blocks.0.hook_resid_post"][:, :-1].abs().max())
    model = model_of(bound)
    own, quick = plain(model, prompt), kernel(model).loss(prompt)
    # A loss without the clipping would differ.
    assert abs(own - plain(model_of(1e3), prompt)) > 1e-8 * own
    assert abs(own - quick) <= 1e-10 * own
    expected = gradients(model, own)
    assert (gradients(model, quick) - expected).abs().max() <= 1e-10 * expected.abs().max()


def test_an_entry_exactly_at_the_bound_receives_its_gradient(lively):
    """Weights of zero change no token, so tokens of +-bound stay there. Their gradient passes torch's clamp."""
    model, prompt = lively(n_layers=2, clip=0.25), prompts(context=3)
    exact = RegressionPrompt(*(tensor.sign() * 0.25 for tensor in (prompt.x, prompt.y, prompt.query, prompt.target)))
    with torch.no_grad():
        model.blocks[0].attn.W_V.zero_()
    own, quick = (gradients(model, loss) for loss in (plain(model, exact), kernel(model).loss(exact)))
    assert (own - quick).abs().max() <= 1e-12 and own.abs().max() > 0


@pytest.mark.parametrize("context", [3, 12])
@pytest.mark.parametrize("fields", [{"n_layers": 2}, {"n_layers": 2, "clip": 2.0}, {"kernel": "softmax"}])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_number_that_is_not_finite_shows_in_the_loss(lively, fields, context, value):
    model, prompt = lively(**fields), prompts(context=context)
    prompt.y[7, 1] = value
    own, quick = plain(model, prompt), kernel(model).loss(prompt)
    # A score of -inf is a weight of 0 in torch and of 1e-38 here, so that one may be NaN and the other infinite.
    assert own.isfinite() == quick.isfinite()
    assert "clip" in fields or not quick.isfinite()


def test_a_hook_is_seen(lively):
    model, prompt = lively(n_layers=2), prompts()
    path = kernel(model)
    before = path.loss(prompt).item()
    model.blocks[0].attn.hook_z.add_hook(lambda z, hook: 0 * z)
    assert path.loss(prompt).item() == pytest.approx(plain(model, prompt).item(), rel=1e-12) != before


def test_frozen_weights_get_no_gradient(lively):
    model = lively(n_layers=2)
    model.blocks[0].attn.W_Q.requires_grad_(False)
    kernel(model).loss(prompts()).backward()
    for name, weight in model.named_parameters():
        assert (weight.grad is not None) == weight.requires_grad, name


def test_no_gradient_is_formed_where_none_is_wanted(lively):
    model, prompt = lively(n_layers=3, clip=2.0), prompts()
    with torch.no_grad():
        loss = kernel(model).loss(prompt)
    assert not loss.requires_grad
    assert loss.item() == pytest.approx(plain(model, prompt).item(), rel=1e-12)


def test_prompts_that_lie_anywhere_in_memory_are_read(lively):
    model, prompt = lively(n_layers=2), prompts()
    turned = RegressionPrompt(prompt.x.mT.contiguous().mT, prompt.y[:, :, [0]], prompt.query[:, [0]], prompt.target)
    assert kernel(model).loss(turned).item() == pytest.approx(plain(model, prompt).item(), rel=1e-12)


@pytest.mark.parametrize(("bits", "ulp"), [(32, 2), (64, 2)])
def test_the_exponential_is_exact_to_two_units_in_the_last_place(bits, ulp):
    on = machine(bits)
    assert on is not None
    emit = Emitter(on)
    pointer = emit.vector.as_pointer()
    with emit.function("exp", [pointer, pointer, INDEX], exported=True) as function:
        given, result, count = function.args

        def one(i, _):
            into = Matrix(Buffer(emit.b.gep(result, [i]), 1), 1, 1, 1)
            emit.each(lambda x: exponential(emit, x), into, Matrix(Buffer(emit.b.gep(given, [i]), 1), 1, 1, 1))

        emit.loop(count, one)
    dtype = np.float64 if bits == 64 else np.float32
    code = Code(str(emit.module), on)
    call = code.function("exp", ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)
    # Memory for whole vectors at their alignment; torch aligns to 64 bytes.
    lowest = 86 if bits == 32 else 700
    x = torch.cat([-torch.logspace(-20, math.log10(lowest), 4096 - 3), torch.tensor([0.0, -1e30, math.nan])])
    x = x.to(torch.float64 if bits == 64 else torch.float32).clone()
    y = torch.zeros_like(x)
    assert x.data_ptr() % 64 == y.data_ptr() % 64 == 0
    call(x.data_ptr(), y.data_ptr(), len(x) // on.lanes)
    exact = np.exp(x[:-2].numpy().astype(np.longdouble))
    error = np.abs(y[:-2].numpy().astype(np.longdouble) - exact) / np.spacing(exact.astype(dtype)).astype(np.longdouble)
    assert error.max() <= ulp
    assert 0 <= y[-2] < 1e-37 and y[-1].isnan()


def test_the_code_needs_no_more_than_the_processor_is_said_to_have():
    assert machine(32, {}) is None
    assert machine(32, {"avx2": True}) is None
    narrow = machine(32, {"avx2": True, "fma": True, "avx512f": True})
    assert narrow is not None and narrow.lanes == 8 and "-avx512f" in narrow.features


def test_the_symmetry_of_heads_is_kept(lively):
    """Heads in another order, and each in another basis, give the same loss."""
    model, prompt = lively(n_layers=2, n_heads=3, d_head=2), prompts()
    before = kernel(model).loss(prompt).item()
    turn = torch.linalg.qr(torch.randn(2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(4)))[0]
    with torch.no_grad():
        for block in model.blocks:
            for name in ("W_Q", "W_K", "W_V", "W_O"):
                weight = getattr(block.attn, name)
                weight.copy_((turn.T @ weight if name == "W_O" else weight @ turn).flip(0))
    assert kernel(model).loss(prompt).item() == pytest.approx(before, rel=1e-12)


@pytest.mark.parametrize("change", ["wide", "short target", "no prompt", "float32"])
def test_prompts_that_do_not_fit_are_refused(lively, change):
    """Machine code would read past the end of their memory."""
    model, prompt = lively(n_layers=2), prompts()
    x, y, query, target = prompt.x, prompt.y, prompt.query, prompt.target
    if change == "wide":
        prompt = RegressionPrompt(torch.cat([x, x], 2), y, torch.cat([query, query], 2), target)
    elif change == "short target":
        object.__setattr__(prompt, "target", target[:3])
    elif change == "no prompt":
        prompt = prompt.batch(0, 0)
    else:
        prompt = prompt.to(dtype=torch.float32)
    with pytest.raises((RuntimeError, ValueError)):
        kernel(model).loss(prompt)
