"""What must change nothing: a head's basis, the order of prompts, and the act of probing itself."""

import numpy as np
import pytest
import torch

from mesa import InContextTransformer, generator
from mesa.construction import from_products, weight_products
from probes import (
    Curvature,
    GDAlignment,
    HeadSum,
    Interpolation,
    LayerMatching,
    LinearDecoding,
    OrderSensitivity,
    OutOfDistribution,
    RegressionSubject,
    Rollout,
    WeightProducts,
)
from probes.probe import ProbeOf
from tests.helpers.reordered import ReorderedRegression
from tests.helpers.subjects import constructed, rotated_basis, untrained

PROBES = [
    GDAlignment(prompts=300),
    WeightProducts(prompts=300),
    Interpolation(prompts=300),
    OutOfDistribution(prompts=50),
    Rollout(prompts=60, applications=5),
    HeadSum(),
    Curvature(prompts=60),
    LayerMatching(prompts=60, queries=20),
    LinearDecoding(prompts=60),
    OrderSensitivity(prompts=60),
]


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.name)
def test_a_heads_basis_changes_nothing(probe: ProbeOf[RegressionSubject]) -> None:
    plain = constructed()
    first = probe(plain, generator(0, "tests/basis"))
    other = probe(rotated_basis(plain), generator(0, "tests/basis"))
    # Two bases multiply out to the same products up to the condition of the rotation, about 1e3, times 1e-16.
    np.testing.assert_allclose(first.table["value"], other.table["value"], rtol=1e-8, atol=1e-10)
    for name, array in first.arrays.items():
        np.testing.assert_allclose(array, other.arrays[name], atol=1e-9)


@pytest.mark.parametrize("factor", [2.0, -0.5])
@pytest.mark.parametrize("probe", PROBES[1:3], ids=lambda probe: probe.name)
def test_the_free_scale_between_A_and_V_changes_nothing(probe: ProbeOf[RegressionSubject], factor: float) -> None:
    plain = constructed()
    assert isinstance(plain.model, InContextTransformer)
    A, V = weight_products(plain.model)
    scaled = RegressionSubject(from_products(plain.model, A * factor, V / factor), plain.reader, plain.task)
    first = probe(plain, generator(0, "tests/scale")).table
    other = probe(scaled, generator(0, "tests/scale")).table
    free = first["metric"] == "beta"
    np.testing.assert_allclose(first["value"][~free], other["value"][~free], rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(other["value"][free], first["value"][free] * factor, rtol=1e-12)


@pytest.mark.parametrize("probe", [*PROBES[:3], *PROBES[4:]], ids=lambda probe: probe.name)
def test_the_order_of_a_batch_changes_nothing(probe: ProbeOf[RegressionSubject]) -> None:
    plain = constructed()
    reordered = RegressionSubject(plain.model, plain.reader, ReorderedRegression(plain.task))
    first = probe(plain, generator(0, "tests/order")).table["value"]
    other = probe(reordered, generator(0, "tests/order")).table["value"]
    # Sums over a batch in another order differ by rounding.
    np.testing.assert_allclose(first, other, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.name)
def test_a_probe_leaves_everything_as_it_was(probe: ProbeOf[RegressionSubject], training: bool) -> None:
    subject = untrained()
    model = subject.model
    assert isinstance(model, InContextTransformer)
    model.train(training)
    seen: list[str | None] = []
    model.blocks[0].hook_resid_post.add_hook(lambda tensor, hook: seen.append(hook.name))
    model.blocks[0].attn.W_Q.grad = torch.ones_like(model.blocks[0].attn.W_Q)
    weights = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    numpy_state = str(np.random.get_state())  # noqa: NPY002
    probe(subject, generator(0, "tests/untouched"))
    assert torch.equal(torch.get_rng_state(), state)
    assert str(np.random.get_state()) == numpy_state  # noqa: NPY002
    assert torch.get_num_threads() == threads
    assert model.training is training
    assert len(model.blocks[0].hook_resid_post.fwd_hooks) == 1
    assert all(torch.equal(weight, weights[name]) for name, weight in model.named_parameters())
    assert torch.equal(model.blocks[0].attn.W_Q.grad, torch.ones_like(model.blocks[0].attn.W_Q))
    assert all(weight.requires_grad for name, weight in model.named_parameters() if ".W_" in name)


def test_the_same_generator_gives_the_same_reading() -> None:
    first, again = (PROBES[0](constructed(), generator(3, "tests/pure")).table for _ in range(2))
    assert first.equals(again)
    assert not first.equals(PROBES[0](constructed(), generator(4, "tests/pure")).table)
