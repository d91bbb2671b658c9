"""The kernel where it is easy to be wrong: large scores, clipping of one entry, rounding, other types and batches."""

import pytest
import torch

from mesa import InContextConfig, InContextTransformer
from tasks import InterleavedReader, LinearRegression
from tasks.prompt import RegressionPrompt

pytest.importorskip("llvmlite")

from llvmlite import binding as llvm

from mesa.fast.kernel import compiled
from mesa.fast.kernel.machine import machine
from mesa.fast.kernel.program import Program
from mesa.fast.kernel.shape import Shape
from mesa.fast.support import workspace_numbers
from tests.helpers.kernels import AVX2, READER, gradients, kernel, plain, prompts

pytestmark = pytest.mark.skipif(machine(32) is None, reason="this processor has neither AVX2 nor AVX-512")
BITS = (torch.float64, torch.float32)


def agree(model, prompt, factor=1.0):
    own, quick = factor * plain(model, prompt), factor * kernel(model).loss(prompt)
    assert abs(own - quick) <= 1e-10 * abs(own)
    expected = gradients(model, own)
    assert (gradients(model, quick) - expected).abs().max() <= 1e-10 * expected.abs().max()
    return own


def test_scores_whose_exponentials_overflow(lively):
    """Softmax takes their differences: exp(710) is no number of 64 bits."""
    model, prompt = lively(n_layers=1, kernel="softmax"), prompts()
    with torch.no_grad():
        model.blocks[0].attn.W_Q.mul_(1e4)
        _, cache = model.run_with_cache(READER.encode(prompt))
    assert cache["blocks.0.attn.hook_attn_scores"].max() > 710
    agree(model, prompt)


@pytest.mark.parametrize(("kernels", "tied"), [("linear", False), ("linear", True), (["linear", "softmax"], False)])
def test_scores_are_divided_by_the_layers_scale(lively, kernels, tied):
    model = lively(n_layers=2, kernel=kernels, tied=tied, attn_scale=3.0)
    assert {block.attn.attn_scale for block in model.blocks} == {3.0}
    agree(model, prompts())


def test_a_multiple_of_the_loss_has_that_multiple_of_the_gradient(lively):
    agree(lively(n_layers=2), prompts(), factor=-3.0)


def test_one_kernel_serves_batches_of_all_sizes(lively):
    """Copies that only fill the last block count nothing, whatever the batch."""
    model = lively(n_layers=2)
    for batch in (40, 3, 16, 1, 33, 40):
        agree(model, prompts(batch))


@pytest.mark.parametrize("layer", range(3))
@pytest.mark.parametrize("channel", range(4))
def test_one_entry_is_clipped_in_any_layer_and_channel(lively, layer, channel):
    """After that layer it exceeds the bound in one prompt of 24; after the others all diagonals of G are within it."""
    source = torch.Generator().manual_seed(0)
    tokens = torch.empty(24, 13, 4, dtype=torch.float64).uniform_(-0.02, 0.02, generator=source)
    tokens[13, 4, channel] = 0.42
    target = torch.ones(24, 1, 1, dtype=torch.float64)
    prompt = RegressionPrompt(tokens[:, :-1, :3], tokens[:, :-1, 3:], tokens[:, -1:, :3], target)

    def model_of(clip):
        model = lively(n_layers=4, d_head=4, clip=clip)
        # e -> e (1 + s G) in this channel: up, then down again.
        for number, block in enumerate(model.blocks[:3]):
            strength = {layer: 2.0, layer + 1: -1.2}.get(number, 0.0)
            for weight in (block.attn.W_Q, block.attn.W_K, block.attn.W_V, block.attn.W_O):
                weight.data.mul_(0.01)
                weight.data[0, channel, channel] = 1.0
            block.attn.W_O.data[0, channel, channel] = strength
        return model

    free, model = model_of(1e3), model_of(0.5)
    with torch.no_grad():
        _, cache = free.run_with_cache(READER.encode(prompt))
    for number in range(3):
        context = cache[f"blocks.{number}.hook_resid_post"][:, :-1]
        assert (context.abs() > 0.5).nonzero().tolist() == ([[13, 4, channel]] if number == layer else [])
        largest = float(context.square().sum(1).max())
        assert 0.25 < largest < 0.35 if number == layer else largest < 0.2
    # To miss the clipping would show.
    own = agree(model, prompt)
    assert abs(own - plain(free, prompt)) > 1e-8 * own


def test_a_query_is_clipped_where_the_context_is_not(lively):
    prompt = prompts()
    prompt = RegressionPrompt(prompt.x / 10, prompt.y / 10, prompt.query * 2, prompt.target)
    free, model = (lively(n_layers=3, clip=clip) for clip in (1e3, 0.8))
    with torch.no_grad():
        _, cache = free.run_with_cache(READER.encode(prompt))
    for layer in range(2):
        tokens = cache[f"blocks.{layer}.hook_resid_post"]
        assert tokens[:, :-1].square().sum(1).max() < 0.9 * 0.8**2 and tokens[:, -1].abs().max() > 0.8
    own = agree(model, prompt)
    assert abs(own - plain(free, prompt)) > 1e-8 * own


@pytest.mark.parametrize("labels", [50.0, 1e3, 3e3, 1e4])
def test_large_numbers_that_cancel_to_little_more_than_the_bound_are_clipped(labels):
    """In float32 the rounding of G's diagonal would hide a clipped entry."""
    source = torch.Generator().manual_seed(0)
    x = torch.zeros(128, 8, 3)
    x[..., 0] = 0.5 * torch.nn.functional.normalize(torch.randn(128, 8, generator=source), dim=1)
    y = -labels * x[..., 0]
    y[::16, 0] += 1.06
    y = y[..., None]
    prompt = RegressionPrompt(x, y, torch.tensor([0.0, 0.7, 0.0]).expand(128, 1, 3), torch.full((128, 1, 1), 0.3))
    losses = {}
    for dtype in BITS:
        model = InContextTransformer(InContextConfig(n_layers=2, clip=1.0), 4, dtype=dtype)
        # The first layer adds `labels` times x_0 to y; the second writes what the keys' y say to the query.
        first = {"W_Q": (0, 0, 4 * labels), "W_K": (0, 0, 1.0), "W_V": (0, 0, 1.0), "W_O": (0, 3, 1.0)}
        second = {"W_Q": (1, 0, 1.0), "W_K": (3, 0, 1.0), "W_V": (3, 0, 1.0), "W_O": (0, 3, 0.2)}
        for block, entries in zip(model.blocks, (first, second), strict=True):
            for name, (row, column, number) in entries.items():
                getattr(block.attn, name).data.zero_()[0, row, column] = number
        given = prompt.to(dtype=dtype)
        with torch.no_grad():
            losses[dtype] = plain(model, given).item(), kernel(model).loss(given).item()
    assert losses[torch.float64][1] == pytest.approx(losses[torch.float64][0], rel=1e-10)
    assert losses[torch.float32][1] == pytest.approx(losses[torch.float32][0], rel=1e-5)


@pytest.mark.parametrize(
    ("fields", "features"),
    [
        ({"n_layers": 2}, None),
        ({"n_layers": 4, "n_heads": 2}, AVX2),
        ({"n_layers": 2, "kernel": "softmax", "n_heads": 2}, None),
    ],
)
def test_in_float32_the_error_is_that_of_the_models_own_rounding(fields, features):
    """Deep layers that clip many entries magnify rounding, in whatever order sums are formed."""
    prompt = LinearRegression(d_in=7, context=20).sample(70, torch.Generator().manual_seed(2))
    exact, model = (InContextTransformer(InContextConfig(clip=0.5, **fields), 8, dtype=t) for t in BITS)
    source = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for wide, narrow in zip(exact.parameters(), model.parameters(), strict=True):
            wide.copy_(narrow.normal_(0.0, 0.3, generator=source) if narrow.requires_grad else narrow)
        _, cache = exact.run_with_cache(READER.encode(prompt.to(dtype=torch.float64)))
    share = float((cache["blocks.0.hook_resid_post"].abs() >= 0.5).double().mean())
    assert share > 0.1
    losses = [plain(exact, prompt.to(dtype=torch.float64)), plain(model, prompt), kernel(model, features).loss(prompt)]
    models = (exact, model, model)
    figures = [(loss.detach().double(), gradients(each, loss)) for each, loss in zip(models, losses, strict=True)]
    for right, own, quick in zip(*figures, strict=True):
        size = right.abs().max()
        assert (quick - right).abs().max() <= 10 * (own - right).abs().max() + 2e-6 * size


def test_prompts_with_gaps_in_memory_are_read(lively):
    model, prompt = lively(n_layers=2), prompts(16)
    x, query = torch.randn(16, 12, 5, dtype=torch.float64), torch.randn(16, 1, 6, dtype=torch.float64)
    turned = torch.randn(16, 3, 12, 3, dtype=torch.float64)
    for inputs in (x[:, :, :3], turned[:, :, :, 0].mT):
        agree(model, RegressionPrompt(inputs, prompt.y, query[:, :, ::2], prompt.target))


@pytest.mark.parametrize("batch", [16, 17])
def test_positions_are_the_same_for_every_prompt(batch):
    """They are stored once: the stride from one prompt to the next is 0."""
    reader, prompt = InterleavedReader(1, channels=4), prompts(batch, context=3)
    model = InContextTransformer(
        InContextConfig(n_layers=2), reader.encode(prompt).values.shape[2], dtype=torch.float64
    )
    inputs = reader.encode(prompt)
    own = reader.loss(reader.decode(model(inputs), inputs), prompt)
    assert kernel(model, reader=reader).loss(prompt).item() == pytest.approx(own.item(), rel=1e-12)


KINDS = ["forward_hook", "forward_pre_hook", "full_backward_hook", "full_backward_pre_hook"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fields", [{}, {"clip": 2.0}])
def test_a_hook_of_any_kind_on_any_module_switches_to_the_plain_path(lively, monkeypatch, kind, fields):
    model, prompt = lively(n_layers=2, **fields), prompts()
    path, calls = kernel(model), []
    own = compiled.Kernel.__call__
    monkeypatch.setattr(compiled.Kernel, "__call__", lambda *a, **b: [calls.append(1), own(*a, **b)][1])
    for name, module in model.named_modules():
        handle = getattr(module, f"register_{kind}")(lambda *_: None)
        path.loss(prompt)
        assert not calls, name
        handle.remove()
    path.loss(prompt)
    assert calls


@pytest.mark.parametrize("name", ["x", "y", "query", "target"])
def test_the_gradient_of_any_tensor_of_a_prompt_is_formed(lively, name):
    model, prompt = lively(n_layers=2), prompts()
    (tensor := getattr(prompt, name)).requires_grad_()
    (expected,) = torch.autograd.grad(plain(model, prompt), tensor)
    (quick,) = torch.autograd.grad(kernel(model).loss(prompt), tensor)
    assert (expected - quick).abs().max() <= 1e-10 * expected.abs().max()


@pytest.mark.parametrize("cast", ["to", "double"])
def test_a_model_of_another_type_than_the_code_is_computed_by_tensors(lively, cast):
    """The code reads weights as it was made to: as float32 here."""
    model, prompt = lively(n_layers=2, dtype=torch.float32).requires_grad_(False), prompts()
    path = kernel(model)
    model.to(torch.float64) if cast == "to" else model.double()
    assert path.loss(prompt).item() == pytest.approx(plain(model, prompt).item(), rel=1e-10)


def test_where_no_gradient_is_wanted_none_is_formed(lively, monkeypatch):
    wanted, own = [], compiled.Kernel.__call__

    def spied(self, *given, gradient):
        wanted.append(gradient)
        return own(self, *given, gradient=gradient)

    monkeypatch.setattr(compiled.Kernel, "__call__", spied)
    model, prompt = lively(n_layers=2), prompts()
    path = kernel(model)
    path.loss(prompt)
    with torch.no_grad():
        path.loss(prompt)
    model.requires_grad_(False)
    path.loss(prompt)
    assert wanted == [True, False, False]


@pytest.mark.parametrize(
    ("kernels", "heads", "rows", "width"),
    [
        (("linear",) * 3, 1, 41, 40),
        (("linear",) * 5, 2, 21, 64),
        (("linear",) * 3, 1, 301, 64),
        (("softmax",) * 2, 1, 2001, 4),
        (("softmax",) * 2, 4, 65, 100),
        (("softmax", "linear"), 1, 501, 20),
    ],
)
def test_memory_is_estimated_to_a_factor_of_two(kernels, heads, rows, width):
    sources = ((0, rows, 1, 0, width),)
    shape = Shape(kernels, tuple(range(len(kernels))), heads, rows - 1, 1, width, 1, True, sources)
    on = machine(32)
    assert on is not None
    assert 0.5 < workspace_numbers(kernels, heads, rows, 1, width) / Program(shape, on).size < 2


def test_a_processor_with_avx2_alone_has_sixteen_registers():
    """LLVM compiles for the processor that it runs on: what that one has besides has to be switched off."""
    on = machine(32, AVX2)
    assert on is not None and (on.lanes, on.tile) == (8, (4, 3))
    here = [name for name, present in llvm.get_host_cpu_features().items() if present and name.startswith("avx512")]
    assert all(f"-{name}" in on.features.split(",") for name in here)
