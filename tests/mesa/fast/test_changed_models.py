"""A path that was made before its model changed still computes what the model computes."""

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_hook

from mesa import InContextTransformer, fast
from mesa.fast.choice import choose
from mesa.models.attention import KernelAttention
from probes import RegressionSubject
from tasks import LinearRegression, PairedReader

READER = PairedReader()


def replace_attention(model, lively) -> None:
    model.blocks[0].attn = lively(n_layers=2, n_heads=2).blocks[0].attn


def replace_and_hook(model, lively) -> None:
    model.blocks[0] = lively(n_layers=2).blocks[0]
    model.blocks[0].attn.hook_z.add_hook(lambda z, hook: 0 * z)


def remove_a_layer(model, lively) -> None:
    model.blocks = model.blocks[:1]


def give_a_bias(model, lively) -> None:
    with torch.no_grad():
        model.blocks[1].attn.b_V.fill_(0.5)


def give_a_weight(model, lively) -> None:
    model.blocks[1].attn.W_Q = nn.Parameter(torch.full_like(model.blocks[1].attn.W_Q, 0.3))


def load(model, lively) -> None:
    model.load_state_dict({name: 0.5 * weight for name, weight in model.state_dict().items()}, assign=True)


CHANGES = [replace_attention, replace_and_hook, remove_a_layer, give_a_bias, give_a_weight, load]


def prompts(dtype=torch.float64):
    return LinearRegression(d_in=3, context=12).sample(20, torch.Generator().manual_seed(0)).to(dtype=dtype)


def plain(model, prompt):
    inputs = READER.encode(prompt)
    return READER.loss(READER.decode(model(inputs), inputs), prompt)


def fastest(model, make: str):
    path = fast.path(model, READER) if make == "tensor" else choose(model, READER).path
    assert path is not None
    return path


@pytest.mark.parametrize("make", ["tensor", "auto"])
@pytest.mark.parametrize(
    # Attention of other shapes cannot be tied.
    ("change", "tied"),
    [(change, tied) for change in CHANGES for tied in (False, True) if not (tied and change is replace_attention)],
)
def test_a_change_is_seen(lively, change: Callable[..., None], tied, make):
    model, prompt = lively(n_layers=2, tied=tied), prompts()
    path = fastest(model, make)
    before = path.loss(prompt).item()
    change(model, lively)
    own, quick = plain(model, prompt), path.loss(prompt)
    assert own.item() != pytest.approx(before, rel=1e-3)
    assert quick.item() == pytest.approx(own.item(), rel=1e-10)
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    expected, found = torch.autograd.grad(own, weights), torch.autograd.grad(quick, weights)
    for one, other in zip(expected, found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize(("before", "after"), [(torch.float32, torch.float64), (torch.float64, torch.float32)])
def test_a_converted_model_is_computed_in_its_new_numbers(lively, before, after):
    model = lively(n_layers=2, dtype=before)
    path = fastest(model, "auto")
    path.loss(prompts(before))
    model.to(after, print_details=False)
    quick = path.loss(prompts(after))
    assert quick.dtype == after
    assert quick.item() == pytest.approx(plain(model, prompts(after)).item(), rel=1e-6)


def test_products_in_16_bits_are_not_read_as_32(lively):
    model, prompt = lively(n_layers=2, dtype=torch.float32), prompts(torch.float32)
    path = fastest(model, "auto")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert path.loss(prompt).item() == pytest.approx(plain(model, prompt).item(), rel=0.1)


def test_a_model_that_was_moved_away_is_not_read(lively):
    """The kernel would read weights that are not in the processor's memory."""
    model = lively(n_layers=2)
    path = fastest(model, "auto")
    model.to("meta", print_details=False)
    with pytest.raises(RuntimeError):
        path.loss(prompts())


def test_a_second_derivative_is_right_or_refused(lively):
    model, prompt = lively(n_layers=2), prompts()
    weight = model.blocks[0].attn.W_Q

    def second(loss):
        (gradient,) = torch.autograd.grad(loss, weight, create_graph=True)
        return torch.autograd.grad(gradient.square().sum() + 0 * weight.sum(), weight)[0]

    torch.testing.assert_close(second(fastest(model, "tensor").loss(prompt)), second(plain(model, prompt)))
    choice = choose(model, READER)
    if choice.way == "kernel":
        assert choice.loss is not None
        with pytest.raises(RuntimeError, match=r"^create_graph: "):
            second(choice.loss(prompt))


class HalfTheOutput(InContextTransformer):
    """A model with a forward pass of its own."""

    def forward(self, *given, **options):
        """Half of what the class above returns."""
        return super().forward(*given, **options) / 2


class HalfOfTheHeads(KernelAttention):
    """Attention with a forward pass of its own."""

    def forward(self, *given, **options):
        """Half of what the class above returns."""
        return super().forward(*given, **options) / 2


def of_a_subclass(model):
    model.__class__ = HalfTheOutput


def attention_of_a_subclass(model):
    model.blocks[0].attn.__class__ = HalfOfTheHeads


def another_method(model):
    own = model.forward
    model.forward = lambda *given, **options: own(*given, **options) / 2


@pytest.mark.parametrize("change", [of_a_subclass, attention_of_a_subclass, another_method])
def test_a_forward_pass_of_ones_own_is_trained_and_probed(lively, change):
    model, prompt = lively(n_layers=2), prompts()
    paths, before = [fastest(model, make) for make in ("tensor", "auto")], plain(model, prompt).item()
    subject = RegressionSubject(model, READER, LinearRegression(d_in=3))
    change(model)
    own = plain(model, prompt)
    assert own.item() != pytest.approx(before, rel=1e-3)
    assert all(path.loss(prompt).item() == own.item() for path in paths)
    assert fast.path(model, READER) is None
    assert READER.loss(subject.predict(prompt), prompt).item() == pytest.approx(own.item(), rel=1e-12)


def test_a_hook_on_all_modules_is_seen(lively):
    model, prompt = lively(n_layers=2), prompts()
    paths, before = [fastest(model, make) for make in ("tensor", "auto")], plain(model, prompt).item()

    def halve(module, _, output):
        return output / 2 if module is model.blocks[0].attn else None

    handle = register_module_forward_hook(halve)
    try:
        own = plain(model, prompt).item()
        assert own != pytest.approx(before, rel=1e-3)
        assert all(path.loss(prompt).item() == own for path in paths)
    finally:
        handle.remove()
    assert all(path.loss(prompt).item() == pytest.approx(before, rel=1e-10) for path in paths)
