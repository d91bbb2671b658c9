"""Weights are a function of the seed, of the documented law, and of nothing else."""

import math

import pytest
import torch

from mesa import InContextConfig, InContextTransformer
from mesa.models.initialisation import _CUT

WIDE = {"n_layers": 2, "n_heads": 3, "d_head": 40, "d_model": 50, "d_mlp": 60, "input_mlp": 70, "act_fn": "relu"}
FAN_IN = {
    "embed.W_E": 30,
    "embed.mlp.W_in": 50,
    "embed.mlp.W_out": 70,
    "blocks.0.attn.W_Q": 50,
    "blocks.0.attn.W_K": 50,
    "blocks.1.attn.W_V": 50,
    "blocks.1.attn.W_O": 3 * 40,
    "blocks.0.mlp.W_in": 50,
    "blocks.1.mlp.W_out": 60,
}


@pytest.mark.parametrize(("name", "fan_in"), FAN_IN.items())
def test_variance_and_cut(name, fan_in):
    # 12,000 draws and more: several seeds of one model.
    draws = torch.cat(
        [
            InContextTransformer(InContextConfig(**WIDE), d_token=30, seed=seed).get_parameter(name).detach().flatten()
            for seed in range(8)
        ]
    ).double()
    variance = 0.002 / (2 * fan_in)
    # Five standard errors of a variance; the fourth moment of the cut normal is below the uncut's 3.
    assert draws.var() == pytest.approx(variance, rel=5 * math.sqrt(2 / len(draws)))
    assert abs(draws.mean()) < 5 * math.sqrt(variance / len(draws))
    uncut = math.sqrt(variance) / _CUT
    assert draws.abs().max() <= 2 * uncut * (1 + 1e-6)
    # Cut at two, not at three: a normal cut later would come close to its bound only rarely.
    assert draws.abs().max() > 1.98 * uncut


def test_the_cut_normal_has_the_deviation_that_the_law_divides_by():
    density = math.exp(-2) / math.sqrt(2 * math.pi)
    assert math.sqrt(1 - 4 * density / math.erf(math.sqrt(2))) == pytest.approx(_CUT, rel=1e-12)


def test_tied_layers_count_as_layers():
    tied = InContextTransformer(InContextConfig(n_layers=8, tied=True, d_head=100), d_token=100)
    # 10,000 draws: five standard errors of a variance are 7 %.
    assert tied.blocks[0].attn.W_Q.var().item() == pytest.approx(0.002 / (8 * 100), rel=0.07)


def test_biases_start_at_zero_and_gains_at_one():
    config = InContextConfig(**{**WIDE, "normalization": "LN", "final_norm": True, "bias": True})
    model = InContextTransformer(config, 30)
    leaves = {name: weight for name, weight in model.named_parameters() if not name.rpartition(".")[2].startswith("W_")}
    assert {name.rpartition(".")[2] for name in leaves} == {"b_Q", "b_K", "b_V", "b_O", "b_in", "b_out", "w", "b"}
    for name, weight in leaves.items():
        assert torch.equal(weight, torch.full_like(weight, float(name.endswith(".w")))), name


def test_a_seed_is_one_set_of_weights():
    def weights(seed, **other):
        return dict(InContextTransformer(InContextConfig(n_layers=2), 4, seed=seed, **other).named_parameters())

    first, again, other = weights(0), weights(0), weights(1)
    drawn = [name for name in first if ".W_" in name]
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not any(torch.equal(first[name], other[name]) for name in drawn)
    # No two tensors of one model are alike either, and float64 holds the same numbers.
    assert len({first[name].detach().flatten()[0].item() for name in drawn}) == len(drawn)
    wide = weights(0, dtype=torch.float64)
    assert all(torch.equal(wide[name].float(), first[name]) for name in drawn)


def test_initialise_draws_afresh():
    model = InContextTransformer(InContextConfig(), 4, seed=0)
    other = InContextTransformer(InContextConfig(), 4, seed=5)
    model.initialise(5)
    assert torch.equal(model.blocks[0].attn.W_Q, other.blocks[0].attn.W_Q)


def test_the_global_random_state_is_neither_read_nor_moved():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = InContextTransformer(InContextConfig(**WIDE), 30)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    second = InContextTransformer(InContextConfig(**WIDE), 30)
    assert torch.equal(first.blocks[0].attn.W_Q, second.blocks[0].attn.W_Q)
