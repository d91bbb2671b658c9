"""Heads made by hand are their explicit algorithms, at every position and for every sequence."""

from typing import Any

import pytest
import torch

from mesa import generator
from mesa.construction import induction_model, pair_step_layer, pair_step_model, pair_tokens, previous_token_model
from mesa.learners import GradientDescent
from mesa.learners.token_predictors import gradient_step, normalised_bigram
from tasks import AssociativeRecall, MarkovChain, RegressionPrompt, RepeatedTokens, TokenPrompt

TASKS = {
    "repeated": RepeatedTokens(vocabulary=7, length=20, shortest=3, longest=6),
    "a bos that comes again": RepeatedTokens(vocabulary=5, length=20, shortest=3, longest=6, noise=0.2, bos=2),
    "recall": AssociativeRecall(vocabulary=6, length=9),
    "chain": MarkovChain(length=30),
    # The longer a sequence, the more keys share what saturation leaves over.
    "long": MarkovChain(vocabulary=8, length=128),
}
tasks = pytest.mark.parametrize("task", TASKS.values(), ids=TASKS.keys())
# Rounding of sums of ones in float64; saturation leaves 1e-20.
EXACT: dict[str, Any] = {"rtol": 0.0, "atol": 1e-10}


def prompts(task) -> tuple[TokenPrompt, dict[str, Any]]:
    prompt = task.sample(8, generator(0, "tests/constructions"))
    return prompt, {"d_vocab": task.d_vocab, "n_ctx": task.n_ctx, "bos": int(prompt.tokens[0, 0])}


@tasks
@pytest.mark.parametrize("heads", [1, 3])
def test_the_induction_head_is_the_normalised_bigram(task, heads):
    prompt, sizes = prompts(task)
    logits = induction_model(**sizes, n_heads=heads, strength=2.5)(prompt.tokens[:, :-1])
    torch.testing.assert_close(logits, 2.5 * normalised_bigram(prompt, torch.arange(task.d_vocab)), **EXACT)


@tasks
def test_the_pair_step_behind_a_previous_token_head_is_one_gradient_step(task):
    prompt, sizes = prompts(task)
    logits = pair_step_model(0.3, **sizes, n_heads=2)(prompt.tokens[:, :-1])
    torch.testing.assert_close(logits, gradient_step(prompt, torch.arange(task.d_vocab), 0.3), **EXACT)


@tasks
def test_one_linear_layer_on_pairs_is_one_gradient_step(task):
    prompt, _ = prompts(task)
    resid = pair_step_layer(0.3, d_vocab=task.d_vocab)(pair_tokens(prompt, task.d_vocab))
    wanted = gradient_step(prompt, torch.arange(task.d_vocab), 0.3)
    torch.testing.assert_close(resid[..., -task.d_vocab :], wanted, **EXACT)


def test_counts_of_successors_are_the_gradient_step_of_the_regression_learner():
    task = TASKS["chain"]
    prompt, _ = prompts(task)
    hot = torch.nn.functional.one_hot(prompt.tokens, task.d_vocab).double()
    asked = RegressionPrompt(hot[:, :-2], hot[:, 1:-1], query=hot[:, -2:-1], target=hot[:, -1:])
    wanted = GradientDescent(0.3).predict(asked)[0]
    torch.testing.assert_close(gradient_step(prompt, torch.arange(task.d_vocab), 0.3)[:, -1:], wanted, **EXACT)
    W = torch.zeros(8, task.d_vocab, task.d_vocab, dtype=torch.float64, requires_grad=True)
    # 0.3 = eta/N on the loss 1/(2N) sum |x W - y|^2.
    (0.5 * 0.3 * (asked.x @ W - asked.y).square().sum()).backward()
    assert W.grad is not None
    torch.testing.assert_close(asked.query @ -W.grad, wanted, **EXACT)


@tasks
def test_the_previous_token_head_says_what_stood_before(task):
    prompt, sizes = prompts(task)
    read = prompt.tokens[:, :-1]
    model = previous_token_model(task.d_vocab, task.n_ctx, n_heads=2)
    logits, cache = model.run_with_cache(read)
    before = torch.cat([read[:, :1], read[:, :-1]], dim=1)
    torch.testing.assert_close(logits, torch.nn.functional.one_hot(before, sizes["d_vocab"]).double(), **EXACT)
    pattern = cache["pattern", 0][:, 0]
    torch.testing.assert_close(pattern.diagonal(-1, 1, 2), torch.ones_like(pattern[:, 1:, 0]), **EXACT)


def test_without_the_previous_token_head_nothing_is_found():
    task = TASKS["chain"]
    prompt, sizes = prompts(task)
    for model in (induction_model(**sizes), pair_step_model(1.0, **sizes)):
        with torch.no_grad():
            model.blocks[0].attn.W_O.zero_()
        assert (model(prompt.tokens[:, :-1]) - normalised_bigram(prompt, torch.arange(5))).abs().max() > 0.5


def test_single_precision_is_enough_for_a_control():
    prompt, sizes = prompts(TASKS["chain"])
    logits = induction_model(**sizes, strength=1.0, dtype=torch.float32)(prompt.tokens[:, :-1])
    wanted = normalised_bigram(prompt, torch.arange(5)).float()
    # Scores of about 110 in float32 are equal for equal tokens to 1e-5.
    torch.testing.assert_close(logits, wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize("make", [induction_model, lambda **sizes: pair_step_model(1.0, **sizes)])
@pytest.mark.parametrize(("field", "value"), [("bos", -1), ("bos", 5), ("d_vocab", 0), ("n_ctx", 0), ("n_heads", 0)])
def test_sizes_are_checked(make, field, value):
    sizes = {"d_vocab": 5, "n_ctx": 8, "bos": 0} | {field: value}
    if field == "d_vocab":
        field = "bos"  # no id is left for it
    with pytest.raises(ValueError, match=f"^{field}: "):
        make(**sizes)
    with pytest.raises(ValueError, match=r"^d_vocab: 0 must be at least 1"):
        previous_token_model(0, 4)
