"""Edits of heads: two engines and TransformerLens's own methods agree, and hooks that do nothing are found out."""

import copy
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from transformer_lens import HookedTransformer, HookedTransformerConfig

from mesa import InContextTransformer, ModelConfig, generator
from mesa.token_model import TokenTransformer
from probes import HeadAttribution, Subject
from probes.corruption import corrupted, usable
from probes.head_edits import QKV, Case
from probes.hooked_edits import HookedEdits
from probes.hooked_run import DeadHook, check_hooks, hook_name, hooked_run
from probes.layered_edits import LayeredEdits, layered
from probes.readouts import readout_of
from tasks import (
    AssociativeRecall,
    LinearRegression,
    NeighbouringReader,
    PairedReader,
    RepeatedTokens,
    SymbolsReader,
    TokenPrompt,
)
from tests.probes.planted_heads import copying, induction, regression, rotated_heads
from tests.probes.subjects import rotated_basis
from tests.probes.test_symmetries import Reordered

REPEATED = RepeatedTokens(vocabulary=6, length=8, shortest=2, longest=4)


def symbols(**config: Any) -> Subject:
    settings = {"n_layers": 3, "n_heads": 2, "d_model": 12, "d_head": 6, "kernel": "softmax", "init_variance": 3.0}
    chosen = ModelConfig(**{**settings, "causal": True, **config})
    return drawn(TokenTransformer(chosen, 7, 8, dtype=torch.float64), SymbolsReader(), REPEATED)


def numbers(reader: Any, d_token: int, **config: Any) -> Subject:
    settings = {"n_layers": 3, "n_heads": 2, "init_variance": 0.5, **config}
    return drawn(InContextTransformer(ModelConfig(**settings), d_token, dtype=torch.float64), reader, LinearRegression())


def ids() -> Subject:
    """A plain HookedTransformer with norms, MLPs, biases and rotary positions, which are not plain layers."""
    cfg = HookedTransformerConfig(
        n_layers=2,
        d_model=12,
        d_head=6,
        n_heads=2,
        n_ctx=8,
        d_vocab=7,
        d_mlp=9,
        act_fn="gelu",
        normalization_type="RMS",
        positional_embedding_type="rotary",
        rotary_dim=6,
        init_weights=False,
        dtype=torch.float64,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return drawn(HookedTransformer(cfg, move_to_device=False), SymbolsReader(), REPEATED)


def drawn(model: Any, reader: Any, task: Any) -> Subject:
    """Weights that nothing has drawn yet, biases and norms among them, are drawn."""
    source = generator(0, "tests/weights")
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if ".W_" not in name or isinstance(task, RepeatedTokens) and not isinstance(model, TokenTransformer):
                weight.copy_(torch.randn(weight.shape, generator=source, dtype=torch.float64) * 0.5)
    return Subject(model, reader, task)


SUBJECTS = {
    "symbols": symbols(kernel=["softmax", "linear", "softmax"]),
    "blocks": symbols(normalization="LN", final_norm=True, d_mlp=9, bias=True),
    "paired": numbers(PairedReader(), 11, kernel=["softmax", "linear", "linear"]),
    "one layer": numbers(PairedReader(), 11, n_layers=1, n_heads=3),
    "neighbouring": numbers(NeighbouringReader(), 20, kernel=["linear", "softmax", "linear"], causal=True),
    "normed": numbers(PairedReader(), 11, normalization="LN", d_model=16, d_head=4, d_mlp=8),
}
OTHERS = {"rotary": ids(), "clipped": numbers(PairedReader(), 11, clip=0.3)}


def case(subject: Subject, count: int = 5) -> Case:
    prompt = usable(subject.prompts(count, generator(0, "tests/edits")))
    readout, encode = readout_of(None, subject), subject.reader.encode

    def read(prediction: Tensor, variants: int) -> Tensor:
        return readout(prediction.unflatten(0, (variants, -1)), prompt)

    return Case(subject, encode(prompt), encode(corrupted(prompt)), read)


def same(first: Tensor, other: Tensor) -> None:
    # Sums in another order, on read-outs of up to a few hundred.
    torch.testing.assert_close(first, other, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", SUBJECTS)
def test_from_where_the_edit_is_and_from_the_start_are_the_same(name: str) -> None:
    subject = SUBJECTS[name]
    asked = case(subject)
    assert layered(asked)
    short, full = LayeredEdits(asked), HookedEdits(asked)
    assert short.agree()
    cfg: Any = subject.model.cfg
    for one, other in zip(short.outputs(), full.outputs()):
        same(one, other)
    same(short.direct(), full.direct())
    heads = torch.rand(12, cfg.n_layers, cfg.n_heads, generator=generator(0, "tests/sets")) < 0.4
    heads[0] = False
    means = [z.mean(dim=0, keepdim=True) for z in full.clean_z]
    for z in (full.corrupted_z, means, [torch.zeros_like(mean) for mean in means]):
        for held in (False, True):
            same(short.ablated(heads, z, held), full.ablated(heads, z, held))
    for to in range(1, cfg.n_layers):
        one, other = short.paths(to), full.paths(to)
        assert set(one) == set(other) == set(QKV)
        for point in QKV:
            same(one[point], other[point])


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_not_made_of_plain_layers_goes_through_hooks(name: str) -> None:
    assert not layered(case(OTHERS[name]))
    table = HeadAttribution(prompts=8)(OTHERS[name], generator(0, "tests/hooks")).table
    assert {"ablated", "direct", "path", "pair"} <= set(table["metric"])


def test_a_model_with_hooks_of_its_own_is_edited_with_them() -> None:
    subject = replace(SUBJECTS["paired"], model=copy.deepcopy(SUBJECTS["paired"].model))
    model: Any = subject.model
    model.blocks[1].hook_attn_out.add_hook(lambda tensor, hook: 0.5 * tensor)
    assert not layered(case(subject))


def test_layers_that_are_misunderstood_are_found_out() -> None:
    subject = replace(SUBJECTS["symbols"], model=copy.deepcopy(SUBJECTS["symbols"].model))
    model: Any = subject.model
    forward = model.blocks[1].attn.forward
    model.blocks[1].attn.forward = lambda *args, **kwargs: 1.01 * forward(*args, **kwargs)
    assert not LayeredEdits(case(subject)).agree()


@pytest.mark.parametrize("name", ["symbols", "blocks", "paired"])
@pytest.mark.parametrize("engine", [LayeredEdits, HookedEdits])
def test_one_pass_a_head_gives_the_same_numbers(name: str, engine: Any) -> None:
    """The obvious loop over `run_with_hooks` for ablations, and over one input of one head for paths."""
    subject = SUBJECTS[name]
    asked, model = case(subject), subject.model
    assert isinstance(model, HookedTransformer)
    clean: Any = asked.clean if isinstance(model, InContextTransformer) else asked.clean.values
    other: Any = asked.corrupted if isinstance(model, InContextTransformer) else asked.corrupted.values
    edits, heads = engine(asked), model.cfg.n_heads
    _, cache = model.run_with_cache(clean)
    _, bad = model.run_with_cache(other)

    def run(name: str, head: int, value: Tensor) -> Tensor:
        def hook(tensor: Tensor, hook: Any) -> Tensor:
            tensor[:, :, head] = value
            return tensor

        output = model.run_with_hooks(clean, fwd_hooks=[(name, hook)])
        return asked.read(subject.reader.decode(output, asked.clean), 1)[0]

    each = torch.eye(3 * heads, dtype=torch.bool).unflatten(1, (3, heads))
    found = edits.ablated(each, edits.corrupted_z).unflatten(0, (3, heads))
    with torch.no_grad():
        for layer in range(3):
            for head in range(heads):
                place = hook_name(layer, "z")
                same(found[layer, head], run(place, head, bad[place][:, :, head]))
        for to in (1, 2):
            paths = edits.paths(to)
            for layer in range(to):
                for head in range(heads):
                    z = hook_name(layer, "z")
                    moved = (bad[z] - cache[z])[:, :, head] @ model.blocks[layer].attn.W_O[head]
                    normed = model.blocks[to].ln1(cache[hook_name(to, "resid_pre")] + moved)
                    for point in QKV:
                        attn = model.blocks[to].attn
                        weight, bias = getattr(attn, f"W_{point.upper()}"), getattr(attn, f"b_{point.upper()}")
                        for receiver in range(heads):
                            value = normed @ weight[receiver] + bias[receiver]
                            wanted = run(hook_name(to, point), receiver, value)
                            same(paths[point][layer * heads + head, receiver], wanted)


def test_direct_writes_are_those_of_transformer_lens() -> None:
    """A logit difference is linear in them where nothing is normalised: `stack_head_results` gives each head's."""
    subject = SUBJECTS["symbols"]
    asked, model = case(subject), subject.model
    assert isinstance(model, HookedTransformer)
    edits, writes = LayeredEdits(asked), []
    for inputs in (asked.clean, asked.corrupted):
        with torch.no_grad():
            _, cache = model.run_with_cache(inputs.values)
            results: Any = cache.stack_head_results(layer=3, pos_slice=-1)
            logits = (results @ model.W_U)[:, :, None]
            writes.append(asked.read(logits.flatten(0, 1), len(logits)))
    same(edits.outputs()[0] - edits.direct(), writes[0] - writes[1])


def test_corrupted_prompts_keep_the_question_and_take_the_rest() -> None:
    prompt = LinearRegression(d_in=2, context=3).sample(4, generator(0, "tests/corrupted"))
    other: Any = corrupted(prompt)
    assert torch.equal(other.x, prompt.x) and torch.equal(other.target, prompt.target)
    assert torch.equal(other.y, prompt.y[[1, 2, 3, 0]])
    tokens = REPEATED.sample(3, generator(0, "tests/corrupted"))
    changed: Any = corrupted(tokens)
    assert torch.equal(changed.tokens[:, -2:], tokens.tokens[:, -2:])
    assert torch.equal(changed.tokens[:, :-2], tokens.tokens[[1, 2, 0], :-2])


def test_prompts_whose_last_token_nothing_predicts_are_not_used() -> None:
    task = AssociativeRecall(vocabulary=8, length=3)
    prompt = task.sample(40, generator(0, "tests/unscored"))
    found: Any = usable(prompt)
    assert 0 < len(found) == int(prompt.scored[:, -1].sum()) < 40
    assert bool(found.scored[:, -1].all())
    none = TokenPrompt(prompt.tokens, torch.zeros_like(prompt.scored))
    with pytest.raises(ValueError, match="at least 2"):
        usable(none)


def test_a_hook_that_is_not_there_or_does_not_fire_raises() -> None:
    subject = SUBJECTS["symbols"]
    inputs = subject.reader.encode(subject.prompts(2, generator(0, "tests/fire")))
    with pytest.raises(DeadHook, match=r"blocks.9.attn.hook_z: the model has no such hook point"):
        hooked_run(subject, inputs, keep=[hook_name(9, "z")])
    # Attention-only blocks have this hook point and never call it.
    with pytest.raises(DeadHook, match=r"blocks.0.hook_mlp_out: the hook did not fire"):
        hooked_run(subject, inputs, {hook_name(0, "mlp_out"): torch.zeros_like})


@pytest.mark.parametrize("point", ["z", "q", "k", "v", "pattern"])
def test_a_hook_whose_edits_are_ignored_raises(point: str) -> None:
    """As in `boot_native` of TransformerLens 3.9, whose pattern hook fires and is not read."""
    subject = replace(SUBJECTS["symbols"], model=copy.deepcopy(SUBJECTS["symbols"].model))
    model: Any = subject.model
    inputs = subject.reader.encode(subject.prompts(2, generator(0, "tests/bite")))
    check_hooks(subject, inputs)
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
    found = HeadAttribution(prompts=100)(subject, generator(0, "tests/dead"))
    for name, array in found.arrays.items():
        if name.startswith(("ablated", "held")):
            assert array[0, 1] == pytest.approx(1, abs=1e-12)
    assert found.arrays["direct"][0, 1] == pytest.approx(0, abs=1e-12)
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
    first = PROBE(plain, generator(0, "tests/same"))
    reordered = replace(plain, task=Reordered(plain.task) if name == "regression" else Backwards(plain.task))
    for other in (turned(plain), reordered):
        again = PROBE(other, generator(0, "tests/same"))
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


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("hooked", [True, False])
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
