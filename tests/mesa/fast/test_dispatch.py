"""Each form of the fast path is taken where it is meant to be, and is the model there: with clipping, and without."""

from collections.abc import Callable

import pytest
import torch

from mesa import fast
from mesa.fast import gram, tokens
from tasks import LinearRegression, PairedReader, RegressionPrompt


@pytest.fixture
def taken(monkeypatch) -> list[str]:
    """The names of the forms that were computed, in order; a Gram form that gave up is "clipped"."""
    names: list[str] = []

    def spied(module: object, name: str, label: str) -> None:
        plain: Callable = getattr(module, name)

        def spy(*args):
            loss = plain(*args)
            names.append("clipped" if loss is None else label)
            return loss

        monkeypatch.setattr(module, name, spy)

    spied(gram, "two_layers", "vectors")
    spied(gram, "layers", "gram")
    spied(tokens, "moved", "tokens")
    return names


def prompts(context: int = 24, d_in: int = 3, queries: int = 1) -> RegressionPrompt:
    source = torch.Generator().manual_seed(3)
    return LinearRegression(d_in=d_in, context=context).sample(8, source, queries).to(dtype=torch.float64)


def assert_same(model, prompt: RegressionPrompt) -> None:
    """The path's loss and gradients are the model's own to 1e-10."""
    reader = PairedReader()
    path, inputs = fast.path(model, reader), reader.encode(prompt)
    assert path is not None
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    own, quick = reader.loss(reader.decode(model(inputs), inputs), prompt), path.loss(prompt)
    torch.testing.assert_close(quick, own, rtol=1e-10, atol=0)
    for one, other in zip(torch.autograd.grad(own, weights), torch.autograd.grad(quick, weights), strict=True):
        # Relative to the largest entry: float64, another order of the same sums.
        assert (one - other).abs().max() <= 1e-10 * one.abs().max()


def contracting(lively, **fields):
    """A model whose tokens stay near where they start: long contexts would make a lively one explode."""
    model = lively(**fields)
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(0.3)
    return model


@pytest.mark.parametrize("heads", [1, 2])
@pytest.mark.parametrize("tied", [True, False])
def test_two_layers_take_vectors(lively, taken, heads, tied):
    for context in (2, 24):
        assert_same(contracting(lively, n_layers=2, n_heads=heads, tied=tied), prompts(context))
    assert taken == ["vectors", "vectors"]


@pytest.mark.parametrize(
    ("fields", "queries"),
    [
        ({"n_layers": 2, "n_heads": 3}, 1),
        ({"n_layers": 2}, 3),
        ({"n_layers": 4}, 1),
        ({"n_layers": 3, "tied": True}, 5),
    ],
)
def test_more_layers_heads_or_queries_take_the_gram_form_where_the_context_is_long(lively, taken, fields, queries):
    model = contracting(lively, **fields)
    assert_same(model, prompts(queries=queries))
    assert taken == ["gram"]
    taken.clear()
    assert_same(model, prompts(context=5, queries=queries))
    assert set(taken) == {"tokens"}


def clipped(model, prompt: RegressionPrompt) -> int:
    """How many entries of the context's tokens the model clips before its last layer."""
    inputs = PairedReader().encode(prompt)
    _, cache = model.run_with_cache(inputs)
    inner = range(model.cfg.n_layers - 1)
    removed = [cache[f"blocks.{layer}.hook_resid_post.hook_clip"][:, : -inputs.queries] for layer in inner]
    return sum(int(part.count_nonzero()) for part in removed)


def test_a_bound_far_away_is_proved_by_the_diagonal_of_g(lively, taken, monkeypatch):
    model, prompt = contracting(lively, n_layers=3, n_heads=2, clip=100.0), prompts()
    monkeypatch.setattr(gram, "reduce", None)
    assert_same(model, prompt)
    assert taken == ["gram"]


def test_a_bound_near_the_tokens_is_proved_by_the_tokens(lively, taken, monkeypatch):
    prompt = prompts(context=96)
    furthest = float(PairedReader().encode(prompt).values.abs().max())
    model = contracting(lively, n_layers=3, n_heads=2, clip=2 * furthest)
    assert clipped(model, prompt) == 0
    assert_same(model, prompt)
    assert taken == ["gram"]
    monkeypatch.setattr(gram, "reduce", None)
    with pytest.raises(TypeError):
        assert_same(model, prompt)


@pytest.mark.parametrize("late", [False, True])
def test_where_one_token_is_clipped_the_token_form_takes_over(lively, taken, late):
    model, prompt = contracting(lively, n_layers=4, clip=100.0), prompts()
    inputs, cache = PairedReader().encode(prompt), {}
    with torch.no_grad():
        _, cache = model.run_with_cache(inputs)
        furthest = [float(cache[f"blocks.{layer}.hook_resid_post"][:, :-1].abs().max()) for layer in range(3)]
    # Just below the largest entry of one layer's tokens: one token is clipped there.
    bound = (1 - 1e-6) * (max(furthest) if late else furthest[0])
    model = contracting(lively, n_layers=4, clip=bound)
    assert clipped(model, prompt) > 0
    assert_same(model, prompt)
    assert taken == ["clipped", "tokens", "tokens", "tokens"]


@pytest.mark.parametrize(("bound", "forms"), [(100.0, ["gram"]), (0.5, ["clipped", "tokens"])])
def test_two_layers_that_clip_take_no_vectors(lively, taken, bound, forms):
    assert_same(contracting(lively, n_layers=2, clip=bound), prompts())
    assert taken == forms


def test_a_query_is_clipped_in_the_gram_form(lively, taken):
    model, prompt = contracting(lively, n_layers=3, clip=3.0), prompts()
    far = RegressionPrompt(prompt.x, prompt.y, 20 * prompt.query, prompt.target, prompt.teacher)
    assert clipped(model, far) == 0
    assert_same(model, far)
    assert taken == ["gram"]


def test_entries_at_the_bound_and_nan_are_treated_as_clamp_treats_them():
    for values in (
        [-2.0, 2.0, 1.0],
        [2.5, -2.0, 0.0],
        [-2.5, 2.0, 0.0],
        [float("nan"), 1.0, 3.0],
        [float("inf"), 0.0, 0.0],
    ):
        own = torch.tensor(values, requires_grad=True)
        quick = torch.tensor(values, requires_grad=True)
        expected, fast = own.clamp(-2, 2), tokens.clipped(quick, 2.0)
        torch.testing.assert_close(fast, expected, rtol=0, atol=0, equal_nan=True)
        torch.testing.assert_close(
            torch.autograd.grad(fast.sum(), quick)[0], torch.autograd.grad(expected.sum(), own)[0], equal_nan=True
        )
