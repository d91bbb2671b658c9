"""Explicit predictors beside loops that count one symbol at a time."""

from collections import Counter

import pytest
import torch

from mesa import generator
from mesa.learners import TOKEN_PREDICTORS
from tasks import MarkovChain, RepeatedTokens, TokenPrompt

SYMBOLS = [4, 0, 2, 3]


def guess(name: str, read: list[int], p: int) -> list[float]:
    """What a rule says at position p of what was read, for SYMBOLS, in plain Python."""
    here, count = read[p], len(SYMBOLS)
    followed = [read[t + 1] for t in range(p) if read[t] == here]
    counts = Counter(followed)
    listed = sum(counts[s] for s in SYMBOLS)
    if name == "gradient_step":
        return [float(counts[s]) for s in SYMBOLS]
    if name == "normalised_bigram":
        return [counts[s] / max(len(followed), 1) for s in SYMBOLS]
    if name == "smoothed_log_bigram":
        return [torch.tensor((counts[s] + 1) / (listed + count)).log().item() for s in SYMBOLS]
    if name == "most_recent":
        return [float(bool(followed) and followed[-1] == s) for s in SYMBOLS]
    if name == "unigram":
        seen = Counter(read[1 : p + 1])
        total = sum(seen[s] for s in SYMBOLS)
        return [torch.tensor((seen[s] + 1) / (total + count)).log().item() for s in SYMBOLS]
    return [0.0] * count


@pytest.mark.parametrize("name", TOKEN_PREDICTORS)
def test_a_rule_is_what_a_loop_counts(name):
    # The first token, 5, comes again, and 1 comes too: neither may be predicted.
    tokens = torch.randint(0, 6, (6, 25), generator=generator(0, "tests/successors"))
    tokens[:, 0] = 5
    prompt = TokenPrompt(tokens, torch.zeros_like(tokens, dtype=torch.bool))
    scores = TOKEN_PREDICTORS[name].rule()(prompt, torch.tensor(SYMBOLS))
    wanted = [[guess(name, row[:-1], p) for p in range(24)] for row in tokens.tolist()]
    # A logarithm taken in float32 by the loop.
    torch.testing.assert_close(scores, torch.tensor(wanted, dtype=torch.float64), rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", TOKEN_PREDICTORS)
def test_what_comes_later_changes_nothing(name):
    prompt = MarkovChain(length=20).sample(5, generator(0, "tests/causal"))
    whole = TOKEN_PREDICTORS[name].rule()(prompt, torch.arange(4))
    assert torch.equal(TOKEN_PREDICTORS[name].rule()(prompt.prefix(12), torch.arange(4)), whole[:, :11])


def test_on_a_chain_without_noise_the_smoothed_bigram_is_the_best_there_is():
    task = MarkovChain(length=30)
    prompt = task.sample(10, generator(0, "tests/best"))
    logits = TOKEN_PREDICTORS["smoothed_log_bigram"].rule()(prompt, torch.arange(4))
    torch.testing.assert_close(logits, task.bayes_predictor().log_probabilities(prompt)[..., :4], rtol=0, atol=1e-12)


def test_where_every_token_came_once_counting_rules_are_one():
    task = RepeatedTokens(vocabulary=200, length=16, shortest=8, longest=8)
    prompt = task.sample(30, generator(3, "tests/once"))
    once = torch.tensor([len(set(row)) == 8 for row in prompt.tokens[:, 1:9].tolist()])
    assert once.sum() > 10
    prompt = TokenPrompt(prompt.tokens[once], prompt.scored[once])
    counts, shares, latest = (
        TOKEN_PREDICTORS[name].rule()(prompt, torch.arange(200))
        for name in ("gradient_step", "normalised_bigram", "most_recent")
    )
    assert torch.equal(counts, shares) and torch.equal(counts, latest)
    # The first token of the second block follows another one than in the first; from the next on one has followed.
    assert counts[:, 9:].sum(dim=-1).eq(1).all()
