"""The language model of symbols: equal to its formula, a function of its seed, and refused where it makes no sense."""

from typing import Any

import pytest
import torch

from mesa import InContextConfig, LanguageConfig, RunConfig, UserError
from mesa.config.yaml import parse
from mesa.models.language import TokenTransformer
from mesa.training.trainer import Trainer
from tasks import Inputs

CONFIG: dict[str, Any] = {"n_layers": 2, "n_heads": 2, "d_model": 6, "d_head": 3}


def model(seed: int = 0, **changes: Any) -> TokenTransformer:
    config = LanguageConfig(**{**CONFIG, "init_variance": 3.0, **changes})
    return TokenTransformer(config, d_vocab=5, n_ctx=8, seed=seed, dtype=torch.float64)


IDS = torch.randint(0, 5, (3, 7), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("kernel", ["softmax", "linear", ["softmax", "linear"]])
def test_it_is_the_formula(kernel):
    transformer = model(kernel=kernel)
    resid = transformer.W_E[IDS] + transformer.W_pos[: IDS.shape[1]]
    for layer, name in enumerate(transformer.config.kernels):
        written = torch.zeros_like(resid)
        for head in range(2):
            q, k, v = (resid @ getattr(transformer, W)[layer, head] for W in ("W_Q", "W_K", "W_V"))
            scores = q @ k.mT
            if name == "softmax":
                later = torch.ones(7, 7, dtype=torch.bool).triu(1)
                pattern = (scores / 3**0.5).masked_fill(later, -torch.inf).softmax(dim=-1)
            else:
                pattern = scores.tril()
            written = written + pattern @ v @ transformer.W_O[layer, head]
        resid = resid + written
    # Float64, the same sums in another order.
    torch.testing.assert_close(transformer(IDS), resid @ transformer.W_U, rtol=1e-10, atol=1e-10)
    assert torch.equal(transformer(Inputs(IDS, queries=0)), transformer(IDS))


@pytest.mark.parametrize("kernel", ["softmax", "linear"])
@pytest.mark.parametrize("norm", [None, "LN", "RMS"])
def test_what_comes_later_changes_nothing(kernel, norm):
    transformer = model(kernel=kernel, normalization=norm, final_norm=norm is not None, d_mlp=4)
    other = IDS.clone()
    other[:, 4:] = (other[:, 4:] + 1) % 5
    assert torch.equal(transformer(IDS)[:, :4], transformer(other)[:, :4])
    assert not torch.equal(transformer(IDS)[:, 4:], transformer(other)[:, 4:])


def test_weights_are_a_function_of_the_seed_and_the_global_state_is_left_alone():
    state = torch.get_rng_state()
    first, again, other = model(3), model(3), model(4)
    assert torch.equal(torch.get_rng_state(), state)
    drawn = [name for name, _ in first.named_parameters() if ".W_" in name]
    assert len(drawn) == 2 * 4 + 3
    for name in drawn:
        assert torch.equal(first.get_parameter(name), again.get_parameter(name)), name
        assert not torch.equal(first.get_parameter(name), other.get_parameter(name)), name
    other.initialise(3)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), other.parameters(), strict=True))


def test_weights_have_the_variance_that_is_asked_for():
    config = LanguageConfig(n_layers=2, d_model=64, d_head=64, kernel="softmax", init_variance=0.5)
    transformer = TokenTransformer(config, d_vocab=50, n_ctx=40)
    for weight in (transformer.W_E, transformer.W_pos, transformer.W_Q, transformer.W_O, transformer.W_U):
        # variance / (layers * fan_in), fan_in 64 for all of these; 2,560 draws or more are within 10 %.
        assert weight.var().item() == pytest.approx(0.5 / (2 * 64), rel=0.1)


@pytest.mark.parametrize(
    ("field", "value"),
    [("d_model", None), ("causal", True), ("input_mlp", 4), ("clip", 1.0), ("attention", "trained")],
)
def test_a_field_of_in_context_models_cannot_be_written(field, value):
    settings = {"task": {"name": "markov_chain"}, "reader": "next_token"}
    with pytest.raises(UserError, match=rf"^model\.{field}: (unknown key|None is refused)"):
        parse({**settings, "model": {"kind": "language", **CONFIG, field: value}})


def test_a_language_model_needs_a_width():
    settings = {"task": {"name": "markov_chain"}, "reader": "next_token", "model": {"kind": "language"}}
    with pytest.raises(UserError, match=r"^model\.d_model: is not given, and has no default$"):
        parse(settings)


@pytest.mark.parametrize(
    ("task", "reader", "own", "other"),
    [
        ("markov_chain", "next_token", LanguageConfig, InContextConfig),
        ("linear_regression", "paired", InContextConfig, LanguageConfig),
    ],
)
def test_a_model_of_the_other_kind_is_refused(task, reader, own, other):
    RunConfig(task={"name": task}, reader=reader, model=own(**CONFIG))
    kinds = [config.model_fields["kind"].default for config in (other, own)]
    with pytest.raises(
        ValueError, match=rf"model.kind: '{kinds[0]}' does not fit the task: .* of kind {kinds[1]} takes"
    ):
        RunConfig(task={"name": task}, reader=reader, model=other(**CONFIG))


def test_a_copy_with_a_wrong_value_is_refused():
    config = LanguageConfig(**CONFIG)
    assert config.model_copy(update={"n_heads": 3}).n_heads == 3
    for wrong in ({"n_heads": 0}, {"causal": True}, {"kernel": ["linear"]}):
        with pytest.raises(ValueError, match="validation error"):
            config.model_copy(update=wrong)


@pytest.mark.parametrize(("task", "reader"), [("markov_chain", "paired"), ("linear_regression", "next_token")])
def test_a_reader_that_does_not_fit_its_task_is_refused(task, reader):
    with pytest.raises(ValueError, match=rf"reader: '{reader}' does not read {task}"):
        RunConfig(task={"name": task}, reader=reader, model=LanguageConfig(**CONFIG))


def test_frozen_layers_keep_their_initial_weights():
    settings = {
        "task": {"name": "repeated_tokens", "vocabulary": 6, "length": 12, "shortest": 3, "longest": 5},
        "reader": "next_token",
        "model": {"kind": "language", **CONFIG, "kernel": "softmax", "frozen_layers": 1},
        "training": {"steps": 3, "batch": 8, "held_out": 8},
    }
    trainer = Trainer(parse(settings), seed=0)
    before = {name: weight.detach().clone() for name, weight in trainer.model.named_parameters()}
    for step in (1, 2, 3):
        trainer.step(step)
    moved = {name for name, weight in trainer.model.named_parameters() if not torch.equal(weight, before[name])}
    assert {f"blocks.1.attn.W_{name}" for name in "QKVO"} | {"embed.W_E", "unembed.W_U"} <= moved
    assert not [name for name in moved if name.startswith("blocks.0.")]
    # Trained positions would make a previous-token head of the first layer's random queries and keys.
    assert "pos_embed.W_pos" not in moved


@pytest.mark.parametrize(("changes", "rule"), [({"frozen_layers": 3}, "at most n_layers, 2"), ({"tied": True}, "tied")])
def test_layers_that_cannot_be_frozen_are_refused(changes, rule):
    with pytest.raises(UserError, match=f"frozen_layers: .* {rule}"):
        parse(
            {
                "task": {"name": "repeated_tokens"},
                "reader": "next_token",
                "model": {"kind": "language", **CONFIG, "frozen_layers": 1, **changes},
            }
        )
