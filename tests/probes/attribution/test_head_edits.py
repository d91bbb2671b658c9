"""Edits of heads: two engines and TransformerLens's own methods agree; what corrupted prompts are."""

import copy
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from transformer_lens import HookedTransformer

from mesa import InContextTransformer, generator
from probes import HeadAttribution
from probes.attribution.corruption import canonical_order, corrupted
from probes.attribution.edits import QKV
from probes.attribution.hooked_edits import HookedEdits
from probes.attribution.layered_edits import LayeredEdits, layered
from probes.hooks import hook_name
from tasks import AssociativeRecall, LinearRegression, TokenPrompt
from tests.helpers.small_models import OTHERS, REPEATED, SUBJECTS, case


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
        joint, other_joint = short.joint_paths(to), full.joint_paths(to)
        for point in QKV:
            same(one[point], other[point])
            same(joint[point], other_joint[point])


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
    subject = replace(SUBJECTS["next_token"], model=copy.deepcopy(SUBJECTS["next_token"].model))
    model: Any = subject.model
    forward = model.blocks[1].attn.forward
    model.blocks[1].attn.forward = lambda *args, **kwargs: 1.01 * forward(*args, **kwargs)
    assert not LayeredEdits(case(subject)).agree()


@pytest.mark.parametrize("name", ["next_token", "blocks", "paired"])
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
        return asked.read(subject.decode(output, asked.clean), 1)[0]

    each = torch.eye(3 * heads, dtype=torch.bool).unflatten(1, (3, heads))
    readouts = edits.ablated(each, edits.corrupted_z).unflatten(0, (3, heads))
    with torch.no_grad():
        for layer in range(3):
            for head in range(heads):
                place = hook_name(layer, "z")
                same(readouts[layer, head], run(place, head, bad[place][:, :, head]))
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
            moved = sum(
                (bad[z] - cache[z]).flatten(2) @ model.blocks[layer].attn.W_O.flatten(0, 1)
                for layer, z in ((layer, hook_name(layer, "z")) for layer in range(to))
            )
            normed = model.blocks[to].ln1(cache[hook_name(to, "resid_pre")] + moved)
            attn = model.blocks[to].attn
            values = torch.einsum("bpm,hme->bphe", normed, attn.W_K) + attn.b_K
            output = model.run_with_hooks(
                clean, fwd_hooks=[(hook_name(to, "k"), lambda tensor, hook, values=values: values)]
            )
            same(edits.joint_paths(to)["k"], asked.read(subject.decode(output, asked.clean), 1)[0])


def test_direct_writes_are_those_of_transformer_lens() -> None:
    """A logit difference is linear in them where nothing is normalised: `stack_head_results` gives each head's."""
    subject = SUBJECTS["next_token"]
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
    found: Any = canonical_order(prompt)
    assert 0 < len(found) == int(prompt.scored[:, -1].sum()) < 40
    assert bool(found.scored[:, -1].all())
    none = TokenPrompt(prompt.tokens, torch.zeros_like(prompt.scored))
    with pytest.raises(ValueError, match="at least 2"):
        canonical_order(none)
