"""Attention frozen at a gradient step: the explicit algorithm on embedded tokens, and nothing that trains there."""

import pytest
import torch

from mesa import InContextConfig, InContextTransformer, RunConfig, TrainingConfig, preset
from mesa.config.yaml import parse
from mesa.errors import UserError
from mesa.learners import GradientDescent
from mesa.training.trainer import Trainer
from tasks import PairedReader, RegressionPrompt, SineRegression

STEP = InContextConfig(d_model=7, input_mlp=11, attention="gradient_step", attn_scale=2.5)
FROZEN = ("W_Q", "W_K", "W_V", "W_O")


def embedded(model: InContextTransformer, prompt: RegressionPrompt) -> RegressionPrompt:
    """The prompt that the attention layers see: features, and the last entry as the target."""
    inputs = PairedReader().encode(prompt)
    tokens, count = model.embed(inputs.values).detach(), prompt.x.shape[1]
    context, query = tokens[:, :count], tokens[:, count:]
    return RegressionPrompt(context[..., :-1], context[..., -1:], query[..., :-1], query[..., -1:])


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("tied", [False, True])
def test_a_layer_is_a_step_of_gradient_descent_on_features(lively, seeded, layers, tied):
    model = lively(d_token=2, **STEP.model_copy(update={"n_layers": layers, "tied": tied}).model_dump())
    prompt = SineRegression(context=5, inputs=(-1.0, 1.0)).sample(6, seeded(0), queries=2).to(dtype=torch.float64)
    inside = embedded(model, prompt)
    inputs = PairedReader().encode(prompt)
    predicted = PairedReader().decode(model(inputs), inputs)
    # The query's own last entry is where the prediction starts, with its sign turned.
    expected = GradientDescent(1 / 2.5, steps=layers).predict(inside)[-1] - inside.target
    # Float64; a few steps may grow what they start from, and rounding with it.
    torch.testing.assert_close(predicted, expected, rtol=1e-10, atol=1e-10)
    assert (expected + inside.target).abs().max() > 1e-3


def test_only_the_embedding_is_drawn_and_trained():
    model = InContextTransformer(STEP, 2, seed=0)
    trained = {name for name, weight in model.named_parameters() if weight.requires_grad}
    assert trained == {"embed.W_E", "embed.mlp.W_in", "embed.mlp.b_in", "embed.mlp.W_out"}
    before = {name: getattr(model.blocks[0].attn, name).clone() for name in FROZEN}
    embedding = model.embed.W_E.clone()
    model.initialise(3)
    assert all(torch.equal(before[name], getattr(model.blocks[0].attn, name)) for name in FROZEN)
    assert not torch.equal(model.embed.W_E, embedding)


def test_a_seed_starts_model_and_learner_from_one_embedding():
    model, learner = (dict(Trainer(preset(name), seed=4).model.named_parameters()) for name in ("sine", "sine-learner"))
    shared = [name for name in model if name.startswith("embed.")]
    assert len(shared) == 4
    assert all(torch.equal(model[name], learner[name]) for name in shared)
    assert not torch.equal(model["blocks.0.attn.W_Q"], learner["blocks.0.attn.W_Q"])


@pytest.mark.parametrize("fast", ["plain", "tensor"])
def test_training_moves_the_embedding_and_leaves_the_step(fast):
    settings = TrainingConfig(batch=32, learning_rate=1e-2, gradient_clip=100.0, fast=fast)
    trainer = Trainer(RunConfig(task={"name": "sine"}, model=STEP, training=settings), seed=0)
    before = {name: weight.clone() for name, weight in trainer.model_state().items()}
    for number in range(1, 6):
        trainer.step(number)
    after = trainer.model_state()
    for name, weight in before.items():
        assert torch.equal(weight, after[name]) == (".attn." in name), name
    # The optimiser keeps nothing for what it does not move.
    assert not any(".attn." in name for name in trainer.trainer_state())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kernel": "softmax"}, r"attention: a gradient step has a linear kernel, got \('softmax',\)"),
        ({"n_heads": 2}, "n_heads: 2 must stay at its default"),
        ({"d_head": 5}, "d_head: 5 must stay at its default"),
        ({"bias": True}, "bias: True must stay at its default"),
        ({"d_model": None, "input_mlp": None}, "attention: gradient_step leaves nothing to train"),
    ],
)
def test_what_a_gradient_step_cannot_be_is_refused(fields, message):
    settings = {**STEP.model_dump(), **fields}
    with pytest.raises(ValueError, match=message):
        InContextConfig(**settings)
    with pytest.raises(UserError, match=f"^model.{message}"):
        parse({"model": settings})


def test_several_outputs_are_refused():
    with pytest.raises(UserError, match=r"^model\.attention: .* task\.d_out is 2"):
        parse({"task": {"name": "linear_regression", "d_out": 2}, "model": STEP.model_dump()})
