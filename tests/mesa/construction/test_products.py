"""The products A and V: free of the heads' bases, and enough to rebuild a linear model."""

import copy
from typing import Any

import pytest
import torch

from mesa.construction import from_products, weight_products

EXACT: dict[str, Any] = {"rtol": 0.0, "atol": 1e-10}


def in_other_bases(model):
    """A copy whose heads compute in another basis each: W_Q R, W_K R^-T, W_V T, T^-1 W_O."""
    twin, generator = copy.deepcopy(model), torch.Generator().manual_seed(3)
    with torch.no_grad():
        for block in twin.blocks:
            attn, d = block.attn, model.cfg.d_head
            # Near the identity, so that inverting costs no digits.
            shape = (model.cfg.n_heads, d, d)
            R, T = (
                torch.eye(d).double() + 0.2 * torch.randn(shape, generator=generator, dtype=torch.float64)
                for _ in range(2)
            )
            attn.W_Q.copy_(attn.W_Q @ R)
            attn.W_K.copy_(attn.W_K @ torch.linalg.inv(R).mT)
            attn.W_V.copy_(attn.W_V @ T)
            attn.W_O.copy_(torch.linalg.inv(T) @ attn.W_O)
    return twin


@pytest.mark.parametrize("fields", [{}, {"n_layers": 2, "n_heads": 3, "d_head": 2}, {"attn_scale": 3.0}])
def test_a_change_of_basis_changes_neither_products_nor_predictions(lively, tokens, fields):
    model = lively(**fields)
    twin = in_other_bases(model)
    assert not torch.allclose(twin.blocks[0].attn.W_Q, model.blocks[0].attn.W_Q, atol=1e-2)
    for mine, other in zip(weight_products(model), weight_products(twin), strict=True):
        torch.testing.assert_close(mine, other, **EXACT)
    torch.testing.assert_close(model(tokens()), twin(tokens()), **EXACT)


def test_products_are_those_of_each_head(lively):
    model = lively(n_layers=2, n_heads=3, d_head=2, attn_scale=3.0)
    A, V = weight_products(model)
    assert A.shape == V.shape == (2, 3, 4, 4)
    for layer, block in enumerate(model.blocks):
        for head in range(3):
            attn = block.attn
            torch.testing.assert_close(A[layer, head], attn.W_Q[head] @ attn.W_K[head].T / 3, **EXACT)
            torch.testing.assert_close(V[layer, head], attn.W_V[head] @ attn.W_O[head], **EXACT)
    assert not A.requires_grad and not V.requires_grad


@pytest.mark.parametrize("fields", [{"n_layers": 2, "n_heads": 2}, {"n_layers": 3, "tied": True}, {"attn_scale": 3.0}])
def test_a_model_rebuilt_from_its_products_is_the_same_model(lively, tokens, fields):
    model = lively(**fields)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    twin = from_products(model, *weight_products(model))
    torch.testing.assert_close(twin(tokens()), model(tokens()), **EXACT)
    for mine, other in zip(weight_products(model), weight_products(twin), strict=True):
        torch.testing.assert_close(mine, other, **EXACT)
    # It is a copy; the model given is as it was.
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())


def test_other_products_make_another_model(lively, tokens):
    model = lively(n_layers=2, n_heads=2)
    A, V = weight_products(model)
    doubled = from_products(model, A, 2 * V)
    assert not torch.allclose(doubled(tokens()), model(tokens()))


def test_what_cannot_hold_the_products_is_refused(lively):
    narrow = lively(n_heads=2, d_head=2)
    with pytest.raises(ValueError, match="d_head: 2 must equal d_model, 4"):
        from_products(narrow, *weight_products(narrow))
    model = lively(n_layers=2, n_heads=2)
    A, V = weight_products(model)
    # A head too few would be copied to every head, silently.
    for a, v in ((A[:, :1], V[:, :1]), (A[:1], V[:1]), (A[..., :3, :3], V[..., :3, :3])):
        with pytest.raises(ValueError, match=r"A: shape .* must be"):
            from_products(model, a, v)
    tied = lively(n_layers=2, tied=True)
    A, V = weight_products(tied)
    with pytest.raises(ValueError, match="V: tied layers have one product"):
        from_products(tied, A, V * torch.tensor([1.0, 2.0])[:, None, None, None])
