"""A query is read by no one: not by a context token, not by another query."""

import pytest
import torch

from tasks import Inputs

kernels = pytest.mark.parametrize("kernel", ["linear", "softmax", ["linear", "softmax"]], ids=str)
directions = pytest.mark.parametrize("causal", [False, True])


def build(lively, kernel, causal):
    # Three tokens of context and two queries that follow them, in two layers.
    return lively(n_layers=2, n_heads=2, kernel=kernel, causal=causal)


@kernels
@directions
def test_changing_a_query_changes_its_own_output_only(lively, tokens, kernel, causal):
    model, inputs = build(lively, kernel, causal), tokens(pos=6, queries=3)
    with torch.no_grad():
        before = model(inputs)
        for query in (3, 4, 5):
            changed = inputs.values.clone()
            changed[:, query] += 10.0
            after = model(Inputs(changed, queries=3))
            others = [place for place in range(6) if place != query]
            assert torch.equal(after[:, others], before[:, others])
            assert not torch.isclose(after[:, query], before[:, query]).all()


@kernels
@directions
def test_a_context_token_is_a_key(lively, tokens, kernel, causal):
    # The control of the test above: the same change to a context token is seen by every query.
    model, inputs = build(lively, kernel, causal), tokens(pos=6, queries=3)
    changed = inputs.values.clone()
    changed[:, 0] += 1.0
    with torch.no_grad():
        difference = (model(Inputs(changed, queries=3)) - model(inputs))[:, 3:].abs()
    assert (difference.amax(dim=-1) > 1e-6).all()


@kernels
@directions
def test_a_query_s_column_of_the_pattern_is_zero(lively, tokens, kernel, causal):
    model, inputs = build(lively, kernel, causal), tokens(pos=6, queries=2)
    _, cache = model.run_with_cache(inputs)
    for layer in range(2):
        pattern = cache["pattern", layer]
        assert not pattern[..., 4:].any()
        assert pattern[..., 4:, :4].all()
        if causal:
            assert not pattern.triu(1).any()
        else:
            assert pattern[..., :4, :4].all()


@kernels
@directions
def test_many_queries_are_answered_as_one_at_a_time(lively, tokens, kernel, causal):
    model, inputs = build(lively, kernel, causal), tokens(pos=6, queries=3)
    together = model(inputs)
    for query in (3, 4, 5):
        alone = Inputs(inputs.values[:, [0, 1, 2, query]], queries=1)
        # Float64, sums of the same numbers in another grouping.
        torch.testing.assert_close(model(alone)[:, -1], together[:, query], rtol=0, atol=1e-10)


@kernels
@directions
def test_without_queries_every_token_is_a_key(lively, tokens, kernel, causal):
    model, inputs = build(lively, kernel, causal), tokens(pos=4, queries=0)
    _, cache = model.run_with_cache(inputs)
    pattern = cache["pattern", 0]
    assert pattern[..., -1, :].all()
    torch.testing.assert_close(model(inputs), model(inputs.values))


@kernels
@directions
def test_transformer_lens_s_attention_mask_means_the_same(lively, tokens, kernel, causal):
    model, inputs = build(lively, kernel, causal), tokens(pos=6, queries=2)
    mask = torch.tensor([[1, 1, 1, 1, 0, 0]]).expand(3, 6)
    assert torch.equal(model(inputs.values, attention_mask=mask), model(inputs))


def test_the_gradient_of_a_query_s_output_stops_at_other_queries(lively, tokens):
    for kernel in ("linear", "softmax"):
        model, inputs = build(lively, kernel, False), tokens(pos=6, queries=2)
        values = inputs.values.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(model(Inputs(values, 2))[:, 5].sum(), values)
        assert not gradient[:, 4].any()
        assert gradient[:, [0, 1, 2, 3, 5]].all()
        assert gradient.isfinite().all()
