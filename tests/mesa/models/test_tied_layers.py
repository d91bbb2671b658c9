"""Tied layers: one set of Parameters, as many sets of hooks as layers."""

import copy

import pytest
import torch

from mesa import InContextConfig, InContextTransformer

CASES = {
    "plain": {},
    "everything": {"d_mlp": 3, "normalization": "LN", "bias": True, "n_heads": 2, "clip": 5.0},
    "softmax": {"kernel": "softmax", "bias": True},
}
cases = pytest.mark.parametrize("fields", CASES.values(), ids=CASES.keys())


def untied_twin(model: InContextTransformer) -> InContextTransformer:
    config = model.config.model_copy(update={"tied": False})
    twin = InContextTransformer(config, d_token=4, dtype=torch.float64)
    twin.load_state_dict(model.state_dict())
    return twin


@cases
def test_every_parameter_of_every_block_is_the_first_block_s(lively, fields):
    model = lively(n_layers=3, tied=True, **fields)
    first = dict(model.blocks[0].named_parameters())
    for block in model.blocks[1:]:
        assert all(weight is first[name] for name, weight in block.named_parameters())
    assert {name.split(".")[1] for name, _ in model.named_parameters() if name.startswith("blocks")} == {"0"}


def test_untied_layers_share_nothing(lively):
    model = lively(n_layers=3)
    pointers = [weight.data_ptr() for weight in model.parameters()]
    assert len(set(pointers)) == len(pointers) == 3 * len(list(model.blocks[0].parameters()))


def test_hooks_are_not_shared(lively):
    model = lively(n_layers=2, tied=True)
    ids = [id(block.attn.hook_z) for block in model.blocks]
    assert len(set(ids)) == 2
    assert [block.attn.hook_z.name for block in model.blocks] == ["blocks.0.attn.hook_z", "blocks.1.attn.hook_z"]


@cases
def test_the_gradient_is_the_sum_over_layers(lively, tokens, fields):
    model, inputs = lively(n_layers=3, tied=True, **fields), tokens()
    twin = untied_twin(model)
    torch.testing.assert_close(model(inputs), twin(inputs), rtol=0, atol=1e-12)
    model(inputs).square().mean().backward()
    twin(inputs).square().mean().backward()
    separate = dict(twin.named_parameters())
    for name, weight in model.named_parameters():
        if not weight.requires_grad:
            assert weight.grad is None
            continue
        total = torch.zeros_like(weight)
        for layer in range(3):
            part = separate[name.replace("blocks.0.", f"blocks.{layer}.")].grad
            assert part is not None
            total += part
        # Float64: rounding relative to the largest of the three parts.
        torch.testing.assert_close(weight.grad, total, rtol=1e-9, atol=1e-10)


def test_a_copy_is_tied_too_and_to_itself_alone(lively):
    model = lively(n_layers=2, tied=True)
    twin = copy.deepcopy(model)
    with torch.no_grad():
        twin.blocks[1].attn.W_Q.zero_()
    assert not twin.blocks[0].attn.W_Q.any()
    assert model.blocks[0].attn.W_Q.all()


def test_moving_to_another_type_keeps_the_tie():
    model = InContextTransformer(InContextConfig(n_layers=2, tied=True), d_token=4).to(
        torch.float64, print_details=False
    )
    assert model.blocks[1].attn.W_Q is model.blocks[0].attn.W_Q
    assert model.blocks[1].attn.W_Q.dtype == torch.float64
