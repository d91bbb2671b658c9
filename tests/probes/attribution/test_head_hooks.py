"""Hooks that do nothing are found out; what must change nothing does; and a probe leaves no trace."""

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from mesa import generator
from probes import HeadAttribution
from probes.hooks import DeadHook, check_hooks, hook_name, hooked_run
from tasks import TokenPrompt
from tests.helpers.planted_heads import copying, induction, regression, rotated_heads
from tests.helpers.reordered import ReorderedRegression
from tests.helpers.small_models import SUBJECTS, symbols
from tests.helpers.subjects import rotated_basis


def test_a_hook_that_is_not_there_or_does_not_fire_raises() -> None:
    subject = SUBJECTS["next_token"]
    inputs = subject.encode(subject.prompts(2, generator(0, "tests/fire")))
    with pytest.raises(DeadHook, match=r"blocks.9.attn.hook_z: the model has no such hook point"):
        hooked_run(subject.with_hooks(), inputs, keep=[hook_name(9, "z")])
    # Attention-only blocks have this hook point and never call it.
    with pytest.raises(DeadHook, match=r"blocks.0.hook_mlp_out: the hook did not fire"):
        hooked_run(subject.with_hooks(), inputs, {hook_name(0, "mlp_out"): torch.zeros_like})


@pytest.mark.parametrize("point", ["z", "q", "k", "v", "pattern"])
def test_a_hook_whose_edits_are_ignored_raises(point: str) -> None:
    """As in `boot_native` of TransformerLens 3.9, whose pattern hook fires and is not read."""
    subject = replace(SUBJECTS["next_token"], model=copy.deepcopy(SUBJECTS["next_token"].model))
    model: Any = subject.model
    inputs = subject.encode(subject.prompts(2, generator(0, "tests/bite")))
    check_hooks(subject.with_hooks(), inputs)
    deaf = model.hook_dict[hook_name(1, point)]
    deaf.register_forward_hook(lambda module, args, output: args[0])
    add_hook = deaf.add_hook
    # Whatever is added comes before the one that gives the activation back as it was.
    deaf.add_hook = lambda *args, **kwargs: add_hook(*args, **{**kwargs, "prepend": True})
    with pytest.raises(DeadHook, match=rf"blocks.1.attn.hook_{point}: a random edit"):
        HeadAttribution(prompts=8)(subject, generator(0, "tests/bite"))


def test_a_head_that_cannot_matter_is_a_measured_zero_and_a_layer_of_them_raises() -> None:
    subject = replace(regression({2: 0.6}), model=copy.deepcopy(regression({2: 0.6}).model))
    model: Any = subject.model
    with torch.no_grad():
        model.blocks[0].attn.W_O[1] = 0.0
    reading = HeadAttribution(prompts=100)(subject, generator(0, "tests/dead"))
    for name, array in reading.named_arrays().items():
        if name.startswith(("ablated", "held")):
            assert array[0, 1] == pytest.approx(1, abs=1e-12)
    assert reading.array("direct")[0, 1] == pytest.approx(0, abs=1e-12)
    with torch.no_grad():
        model.blocks[0].attn.W_O[:] = 0.0
    with pytest.raises(DeadHook, match=r"blocks.0.attn.hook_q: a random edit|blocks.0.attn.hook_z: a random edit"):
        HeadAttribution(prompts=100)(subject, generator(0, "tests/dead"))


PROBE = HeadAttribution(prompts=60)
SYMMETRIC = {
    "regression": (regression({2: 0.6}, layers=2), rotated_basis),
    "copying": (copying({1: 3.0, 3: -1.0}), rotated_heads),
    "induction": (induction({2: 10.0}), rotated_heads),
}


@pytest.mark.parametrize("name", SYMMETRIC)
def test_a_heads_basis_and_the_order_of_a_batch_change_nothing(name: str) -> None:
    plain, turned = SYMMETRIC[name]
    probe = replace(PROBE, prompts=400) if name == "regression" else PROBE
    first = probe(plain, generator(0, "tests/same"))
    assert not np.isnan(first.array("ablated_mean")).any()
    reordered = replace(plain, task=ReorderedRegression(plain.task) if name == "regression" else Backwards(plain.task))
    for other in (turned(plain), reordered):
        again = probe(other, generator(0, "tests/same"))
        # The bases' condition, about 1e2, and a t statistic of 1e2 times rounding of 1e-16.
        np.testing.assert_allclose(again.table["value"], first.table["value"], rtol=1e-8, atol=1e-9)
        for key, array in first.arrays.items():
            np.testing.assert_allclose(again.arrays[key], array, rtol=1e-8, atol=1e-9)


class Backwards:
    """The same task of symbols whose batches come in reverse order."""

    def __init__(self, base: Any) -> None:
        self.base = base

    def sample(self, batch: int, generator: torch.Generator) -> TokenPrompt:
        prompt = self.base.sample(batch, generator)
        return TokenPrompt(prompt.tokens.flip(0), prompt.scored.flip(0))


@pytest.mark.parametrize(("training", "hooked"), [(True, False), (False, True)])
def test_the_probe_leaves_everything_as_it_was(training: bool, hooked: bool) -> None:
    subject = symbols(n_layers=2)
    model: Any = subject.model
    model.train(training)
    seen: list[str | None] = []
    if hooked:
        model.blocks[0].hook_resid_post.add_hook(lambda tensor, hook: seen.append(hook.name))
    model.blocks[0].attn.W_Q.grad = torch.ones_like(model.blocks[0].attn.W_Q)
    weights = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    free = {name: weight.requires_grad for name, weight in model.named_parameters()}
    state, numpy_state = torch.get_rng_state(), str(np.random.get_state())  # noqa: NPY002
    PROBE(subject, generator(0, "tests/untouched"))
    assert torch.equal(torch.get_rng_state(), state)
    assert str(np.random.get_state()) == numpy_state  # noqa: NPY002
    assert model.training is training
    assert sum(len(point.fwd_hooks) for point in model.hook_dict.values()) == hooked
    assert all(torch.equal(weight, weights[name]) for name, weight in model.named_parameters())
    assert {name: weight.requires_grad for name, weight in model.named_parameters()} == free
    assert torch.equal(model.blocks[0].attn.W_Q.grad, torch.ones_like(model.blocks[0].attn.W_Q))
