"""The fast path is the model: the same loss, and the same gradient of every parameter."""

import pytest
import torch

from mesa import fast
from mesa.fast.support import Wanted
from tasks import LinearRegression, PairedReader

MODELS = {
    "one": {},
    "two": {"n_layers": 2},
    "three": {"n_layers": 3},
    "tied": {"n_layers": 3, "tied": True},
    "heads": {"n_layers": 2, "n_heads": 3, "d_head": 2},
    "tied heads": {"n_layers": 2, "n_heads": 2, "tied": True},
    "scaled": {"n_layers": 2, "attn_scale": 3.0},
    "clipped": {"n_layers": 3, "n_heads": 2, "clip": 0.5},
    "softmax": {"kernel": "softmax", "n_heads": 2},
    "softmax layers": {"n_layers": 2, "kernel": "softmax", "d_head": 2, "clip": 0.5},
    "both kernels": {"n_layers": 3, "kernel": ["softmax", "linear", "softmax"]},
    "embedding": {"d_model": 6},
    "embedding and mlp": {"d_model": 6, "input_mlp": 5, "n_heads": 2},
    "mlp": {"n_layers": 2, "input_mlp": 5, "act_fn": "relu"},
    "embedded softmax": {"d_model": 6, "input_mlp": 5, "n_heads": 2, "kernel": "softmax", "clip": 0.5},
    "frozen": {"d_model": 6, "input_mlp": 5, "attention": "gradient_step", "attn_scale": 4.0},
}
OTHER_WAYS: tuple[Wanted, ...] = ("tensor", "auto")
# Three inputs: the labels and the start make tokens of 4 or 5 channels, beside 2, 5 or 12 examples.
PROMPTS = {
    "plain": {},
    "all": {"queries": 3, "d_out": 2, "start": True},
    "short": {"context": 2},
    "long": {"context": 12},
    "long, all": {"context": 12, "queries": 3, "d_out": 2, "start": True},
}


@pytest.mark.parametrize(("dtype", "bound"), [(torch.float32, 2e-5), (torch.float64, 1e-10)], ids=["f32", "f64"])
@pytest.mark.parametrize("model_fields", MODELS.values(), ids=MODELS.keys())
@pytest.mark.parametrize("prompt_fields", PROMPTS.values(), ids=PROMPTS.keys())
def test_loss_and_gradients_are_the_models_own(lively, seeded, model_fields, prompt_fields, dtype, bound):
    d_out, queries = prompt_fields.get("d_out", 1), prompt_fields.get("queries", 1)
    start = torch.randn(3, d_out, generator=seeded(5)) if "start" in prompt_fields else None
    reader = PairedReader(d_out, start)
    task = LinearRegression(d_in=3, d_out=d_out, context=prompt_fields.get("context", 5))
    prompt = task.sample(16, seeded(0), queries).to(dtype=dtype)
    model = lively(d_token=3 + d_out, dtype=dtype, **model_fields)
    path = fast.path(model, reader)
    assert path is not None

    def plain(prompt):
        inputs = reader.encode(prompt)
        return reader.loss(reader.decode(model(inputs), inputs), prompt)

    trained = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    losses, gradients = [], []
    for loss_of in (plain, path.loss):
        loss = loss_of(prompt)
        losses.append(loss.detach())
        gradients.append(torch.autograd.grad(loss, list(trained.values())))
    # Rounding is relative to the size of what is summed, so the bound is relative to each tensor's largest entry.
    assert abs(losses[0] - losses[1]) <= bound * losses[0]
    for name, own, quick in zip(trained, *gradients, strict=True):
        assert own.abs().max() > 0, name
        assert (own - quick).abs().max() <= bound * own.abs().max(), name


def test_frozen_weights_get_no_gradient(lively, seeded):
    model = lively()
    path = fast.path(model, PairedReader())
    assert path is not None
    path.loss(LinearRegression(d_in=3).sample(4, seeded(0)).to(dtype=torch.float64)).backward()
    assert all((weight.grad is not None) == weight.requires_grad for weight in model.parameters())


@pytest.mark.parametrize("heads", [1, 3])
def test_what_one_layer_writes_to_every_token(lively, tokens, heads):
    model, inputs = lively(n_heads=heads), tokens()
    path = fast.path(model, PairedReader(1))
    assert path is not None
    expected = (model(inputs) - inputs.values)[..., -1:]
    # Float64, another order of the same sums.
    torch.testing.assert_close(path.writer()(inputs), expected, rtol=0, atol=1e-10)


def test_a_step_of_training_is_the_same_every_way():
    from mesa import RunConfig, TrainingConfig
    from mesa.training.trainer import Trainer

    def trained(way: Wanted):
        settings = TrainingConfig(batch=64, dtype="float64", gradient_clip=10.0, learning_rate=1e-2, fast=way)
        trainer = Trainer(RunConfig(task={"name": "linear_regression", "d_in": 3}, training=settings), seed=0)
        losses = [trainer.step(number).train_loss for number in range(1, 21)]
        return losses, trainer.model_state()

    own, own_weights = trained("plain")
    for way in OTHER_WAYS:
        losses, weights = trained(way)
        # Adam divides by the gradient's size, so rounding of 1e-16 may grow, but not to 1e-8 in twenty steps.
        assert own == pytest.approx(losses, rel=1e-8)
        for name, weight in own_weights.items():
            torch.testing.assert_close(weight, weights[name], rtol=0, atol=1e-8)


def zeroed(tensor, *, hook):
    return torch.zeros_like(tensor)


@pytest.mark.parametrize("hook", [{}, {"is_permanent": True}], ids=["removable", "permanent"])
def test_a_hook_that_zeroes_z_acts_on_every_path(hook):
    from mesa import RunConfig, TrainingConfig
    from mesa.training.trainer import Trainer

    def first_losses(way: Wanted) -> list[float]:
        settings = TrainingConfig(batch=64, held_out=16, dtype="float64", fast=way)
        trainer = Trainer(RunConfig(task={"name": "linear_regression", "d_in": 3}, training=settings), seed=0)
        held_out = trainer.held_out_loss()
        trainer.model.add_hook("blocks.0.attn.hook_z", zeroed, **hook)
        losses = [held_out, trainer.held_out_loss(), trainer.step(1).train_loss, trainer.step(2).train_loss]
        trainer.model.reset_hooks(including_permanent=True)
        return [*losses, trainer.held_out_loss()]

    own = first_losses("plain")
    # The hook changes the loss, and once it is removed, so does its removal.
    assert own[0] != own[1] and own[4] != own[1]
    # Float64, another order of the same sums.
    for way in OTHER_WAYS:
        assert first_losses(way) == pytest.approx(own, rel=1e-10)


@pytest.mark.parametrize("direction", ["fwd", "bwd"])
def test_a_model_with_a_hook_has_no_path(lively, direction):
    model = lively()
    model.add_hook("blocks.0.hook_resid_post", lambda tensor, *, hook: None, dir=direction)
    assert fast.path(model, PairedReader()) is None
    model.reset_hooks()
    assert fast.path(model, PairedReader()) is not None
