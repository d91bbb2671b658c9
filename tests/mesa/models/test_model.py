"""What a model takes and gives, its embedding, its frozen biases, and where gradients go."""

import pytest
import torch

from mesa import InContextConfig, InContextTransformer
from tasks import Inputs


@pytest.mark.parametrize("shape", [(2, 6, 3), (2, 6, 5), (6, 4), (2, 1, 6, 4)])
def test_tokens_of_another_shape_are_refused(shape):
    model = InContextTransformer(InContextConfig(), d_token=4)
    with pytest.raises(ValueError, match=r"tokens: shape .* must be \(batch, pos, 4\)"):
        model(torch.zeros(shape))


def test_prompts_of_any_length_are_taken(lively, tokens):
    model = lively()
    for pos in (2, 7, 50):
        assert model(tokens(pos=pos)).shape == (3, pos, 4)


def test_without_an_embedding_the_tokens_are_the_stream(lively, tokens):
    _, cache = lively().run_with_cache(tokens())
    assert torch.equal(cache["hook_embed"], tokens().values)
    assert torch.equal(cache["resid_pre", 0], tokens().values)


def test_the_embedding_is_a_matrix_without_bias(lively, tokens):
    model = lively(d_model=7)
    _, cache = model.run_with_cache(tokens())
    assert model.embed.W_E.shape == (4, 7)
    torch.testing.assert_close(cache["hook_embed"], tokens().values @ model.embed.W_E)
    assert [name for name, _ in model.embed.named_parameters()] == ["W_E"]


@pytest.mark.parametrize(
    ("act_fn", "formula"),
    [
        ("gelu_new", lambda x: torch.nn.functional.gelu(x, approximate="tanh")),
        ("gelu", torch.nn.functional.gelu),
        ("relu", torch.relu),
        ("silu", torch.nn.functional.silu),
    ],
)
def test_the_input_mlp_is_residual_with_a_hidden_bias(lively, tokens, act_fn, formula):
    model = lively(d_model=7, input_mlp=9, act_fn=act_fn)
    e, mlp = tokens().values @ model.embed.W_E, model.embed.mlp
    assert {name: tuple(weight.shape) for name, weight in mlp.named_parameters()} == {
        "W_in": (7, 9),
        "b_in": (9,),
        "W_out": (9, 7),
    }
    expected = e + formula(e @ mlp.W_in + mlp.b_in) @ mlp.W_out
    _, cache = model.run_with_cache(tokens())
    torch.testing.assert_close(cache["hook_embed"], expected)
    torch.testing.assert_close(cache["embed.hook_linear"] + cache["embed.mlp.hook_out"], expected)


def test_a_final_norm_is_applied_only_where_it_is_configured(lively, tokens):
    bare, full = (lively(normalization="LN", final_norm=final) for final in (False, True))
    resid = bare(tokens())
    assert torch.equal(resid, bare.run_with_cache(tokens())[1]["resid_post", 0])
    gain, shift, eps = full.ln_final.w, full.ln_final.b, full.cfg.eps
    normal = torch.nn.functional.layer_norm(full(tokens(), stop_at_layer=1), (4,), gain, shift, eps)
    torch.testing.assert_close(full(tokens()), normal)


def test_biases_are_frozen_zeros_unless_they_are_trained():
    frozen, trained = (InContextTransformer(InContextConfig(n_layers=2, bias=bias), 4) for bias in (False, True))
    for model in (frozen, trained):
        biases = {name: weight for name, weight in model.named_parameters() if ".attn.b_" in name}
        assert len(biases) == 8
        assert not any(weight.any() for weight in biases.values())
        assert all(weight.requires_grad == model.config.bias for weight in biases.values())


@pytest.mark.parametrize("kernel", ["linear", "softmax"])
def test_gradients_reach_every_trained_weight_and_the_tokens(lively, tokens, kernel):
    fields = {"n_layers": 2, "n_heads": 2, "d_model": 6, "input_mlp": 5, "d_mlp": 5, "normalization": "LN"}
    model = lively(kernel=kernel, bias=True, clip=50.0, final_norm=True, **fields)
    values = tokens().values.clone().requires_grad_()
    model(Inputs(values, 2)).square().sum().backward()
    for name, weight in model.named_parameters():
        assert weight.grad is not None and weight.grad.isfinite().all(), name
        # Softmax cannot feel a key bias: it adds the same to every score of a query.
        flat = kernel == "softmax" and name.endswith("b_K")
        assert (weight.grad.abs().max() < 1e-8) if flat else weight.grad.any(), name
    assert values.grad is not None and values.grad.any()


def test_a_model_runs_in_its_type(lively, tokens):
    for dtype in (torch.float32, torch.float64):
        for kernel in ("linear", "softmax"):
            model = lively(dtype=dtype, kernel=kernel, d_model=5, d_mlp=3, normalization="LN")
            assert model(tokens(dtype=dtype)).dtype == dtype
            assert all(weight.dtype == dtype for weight in model.parameters())
