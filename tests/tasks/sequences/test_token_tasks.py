"""Token sequences follow their laws, and are a function of the generator's state."""

from dataclasses import fields
from typing import Any

import pytest
import torch

from tasks import (
    AssociativeRecall,
    DistinctTokens,
    MarkovChain,
    NextTokenReader,
    RepeatedTokens,
    TokenPrompt,
    TokenTask,
    token_losses,
)
from tests.helpers.predictions import bayes_log_probabilities

CASES: dict[str, Any] = {
    "repeated": RepeatedTokens(vocabulary=9, length=20, shortest=4, longest=7),
    "noisy repeated": RepeatedTokens(vocabulary=9, length=20, shortest=4, longest=7, noise=0.3, bos=2),
    "recall": AssociativeRecall(vocabulary=8, length=10),
    "noisy recall": AssociativeRecall(vocabulary=8, length=10, noise=0.3),
    "chain": MarkovChain(vocabulary=3, length=20),
    "noisy chain": MarkovChain(vocabulary=3, length=20, noise=0.3),
    "distinct": DistinctTokens(vocabulary=12, length=12),
}
tasks = pytest.mark.parametrize("task", CASES.values(), ids=CASES.keys())


def parts(prompt: TokenPrompt) -> list[torch.Tensor]:
    return [getattr(prompt, field.name) for field in fields(prompt)]


@tasks
def test_the_same_state_gives_the_same_batch_and_another_state_another(task, seeded):
    first, again, other = (parts(task.sample(20, seeded(seed))) for seed in (0, 0, 1))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])


@tasks
def test_the_global_random_state_is_neither_read_nor_moved(task, seeded):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = parts(task.sample(5, seeded(0)))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert all(torch.equal(a, b) for a, b in zip(first, parts(task.sample(5, seeded(0))), strict=True))


@tasks
def test_shapes_ids_and_protocol(task, seeded):
    prompt = task.sample(50, seeded(0))
    assert isinstance(task, TokenTask)
    assert prompt.tokens.shape == prompt.scored.shape == (50, task.n_ctx + 1)
    assert prompt.tokens.dtype == torch.int64 and prompt.scored.dtype == torch.bool
    assert prompt.tokens.min() >= 0 and prompt.tokens.max() < task.d_vocab
    first = prompt.tokens[:, 0]
    assert (first == first[0]).all()
    if getattr(task, "bos", None) is None:
        assert first[0] == task.d_vocab - 1 and (prompt.tokens[:, 1:] < first[0]).all()
    best = bayes_log_probabilities(task, prompt)
    assert best.shape == (50, task.n_ctx, task.d_vocab)
    torch.testing.assert_close(best.exp().sum(dim=-1), torch.ones_like(best[..., 0]), rtol=0, atol=1e-12)


@tasks
def test_best_looks_at_nothing_that_comes_later(task, seeded):
    prompt = task.sample(20, seeded(0))
    torch.testing.assert_close(
        bayes_log_probabilities(task, prompt.prefix(9)),
        bayes_log_probabilities(task, prompt)[:, :8],
        rtol=0,
        atol=1e-12,
    )


@tasks
def test_best_expects_what_it_gets(task, seeded):
    prompt = task.sample(2000, seeded(0))
    # Scored tokens alone: where blocks of several lengths are possible, being scored tells of the length.
    scored = prompt.scored[:, 1:]
    best = bayes_log_probabilities(task, prompt)[scored]
    losses = token_losses(bayes_log_probabilities(task, prompt), prompt)[scored]
    # Its mean loss is its mean entropy; losses of one prompt hang together, hence the wide margin.
    entropy = -torch.xlogy(best.exp(), best.exp()).sum(dim=-1).mean()
    assert losses.mean().item() == pytest.approx(
        entropy.item(), abs=4 * float(losses.std()) / len(losses) ** 0.5 + 0.01
    )


def test_repeated_blocks_repeat_and_their_lengths_are_all_drawn(seeded):
    task = CASES["repeated"]
    prompt = task.sample(500, seeded(0))
    sizes = (~prompt.scored).sum(dim=1) - 1
    assert sorted(set(sizes.tolist())) == [4, 5, 6, 7]
    for row, size in zip(prompt.tokens[:, 1:], sizes.tolist(), strict=True):
        assert torch.equal(row[size:], row[:-size])
    # 500 prompts, 20 symbols, 9 of them: a frequency is known to about 0.004 where blocks are repeated three times.
    frequencies = torch.bincount(prompt.tokens[:, 1:].flatten(), minlength=9) / 500 / 20
    assert (frequencies - 1 / 9).abs().max() < 0.02


def test_noise_replaces_its_share(seeded):
    task = RepeatedTokens(vocabulary=9, length=20, shortest=5, longest=5, noise=0.3)
    symbols = task.sample(4000, seeded(0)).tokens[:, 1:]
    # Two copies agree with probability 0.7^2 + (1 - 0.7^2) / 9; 60,000 pairs know it to 0.002 or so.
    agreed = (symbols[:, 5:] == symbols[:, :-5]).double().mean().item()
    assert agreed == pytest.approx(0.49 + 0.51 / 9, abs=0.01)


def test_recall_pairs_every_key_with_one_value_and_scores_keys_that_came(seeded):
    prompt = CASES["recall"].sample(300, seeded(0))
    for row, scored in zip(prompt.tokens.tolist(), prompt.scored.tolist(), strict=True):
        known: dict[int, int] = {}
        for place in range(1, len(row), 2):
            key, value = row[place], row[place + 1]
            assert 0 <= key < 4 <= value < 8
            assert not scored[place]
            assert scored[place + 1] == (key in known)
            assert known.setdefault(key, value) == value


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_transitions_out_of_one_state_agree_as_uniform_rows_make_them(noise, seeded):
    # Two draws from one row p agree with probability sum p_j^2, whose mean over the simplex is 2/(V+1); with noise
    # p is (1 - noise) p + noise/V. Long chains come back to their first state all but surely.
    task = MarkovChain(vocabulary=3, length=60, noise=noise)
    symbols = task.sample(4000, seeded(0)).tokens[:, 1:]
    back = (symbols[:, 1:-1] == symbols[:, :1]).double()
    came = back.sum(dim=1) > 0
    place = back.argmax(dim=1) + 1
    again = symbols.gather(1, place[:, None] + 1)[:, 0]
    agreed = (again == symbols[:, 1])[came].double().mean().item()
    wanted = (1 - noise) ** 2 * 2 / 4 + (1 - (1 - noise) ** 2) / 3
    assert came.double().mean() > 0.95
    # 4,000 coins: 0.008 standard error.
    assert agreed == pytest.approx(wanted, abs=0.035)
    first = torch.bincount(symbols[:, 0], minlength=3) / 4000
    assert (first - 1 / 3).abs().max() < 0.035


@pytest.mark.parametrize(
    ("make", "field", "value"),
    [
        *[(make, "noise", bad) for make in (RepeatedTokens, AssociativeRecall, MarkovChain) for bad in (-0.1, 1.0)],
        *[(make, "noise", float("nan")) for make in (RepeatedTokens, AssociativeRecall, MarkovChain)],
        *[(make, "vocabulary", 1) for make in (RepeatedTokens, AssociativeRecall, MarkovChain)],
        *[(make, "length", 2**20 + 1) for make in (RepeatedTokens, AssociativeRecall, MarkovChain)],
        (RepeatedTokens, "shortest", 0),
        (RepeatedTokens, "longest", 25),
        (RepeatedTokens, "longest", 11),
        (RepeatedTokens, "bos", -1),
        (RepeatedTokens, "bos", 33),
        (AssociativeRecall, "vocabulary", 7),
        (AssociativeRecall, "length", 1),
        (MarkovChain, "length", 1),
    ],
)
def test_a_value_outside_its_range_is_refused_by_name(make, field, value):
    with pytest.raises(ValueError, match=f"^{field}: {value}"):
        make(**{field: value})


def test_the_first_token_is_never_scored():
    with pytest.raises(ValueError, match=r"^scored: position 0"):
        TokenPrompt(torch.zeros(1, 2, dtype=torch.int64), torch.tensor([[True, False]]))


def test_a_prefix_and_a_permutation_carry_what_is_scored():
    prompt = TokenPrompt(torch.tensor([[7, 1, 2, 3]]), torch.tensor([[False, False, True, False]]))
    assert prompt.prefix(3).scored.tolist() == [[False, False, True]]
    moved = prompt.permute(torch.tensor([0, 2, 1, 3]))
    assert moved.tokens.tolist() == [[7, 2, 1, 3]] and moved.scored.tolist() == [[False, True, False, False]]
    for bad in (0, 5):
        with pytest.raises(ValueError, match=r"^prefix: "):
            prompt.prefix(bad)
    with pytest.raises(ValueError, match=r"^order: "):
        prompt.permute(torch.tensor([0, 0, 1, 3]))


def test_a_reader_shows_all_but_the_last_and_scores_what_is_scored():
    prompt = TokenPrompt(
        torch.tensor([[2, 0, 1], [2, 1, 1]]), torch.tensor([[False, False, True], [False, True, True]])
    )
    inputs = NextTokenReader().encode(prompt)
    assert inputs.values.tolist() == [[2, 0], [2, 1]] and inputs.queries == 0
    logits = torch.tensor([[[0.0, 9.0, 9.0], [0.0, 1.0, 2.0]], [[1.0, 0.0, 0.0], [3.0, 0.0, 0.0]]], dtype=torch.float64)
    assert torch.equal(NextTokenReader().decode(logits, inputs), logits)
    losses = [-torch.log_softmax(logits[b, p], 0)[s].item() for b, p, s in ((0, 1, 1), (1, 0, 1), (1, 1, 1))]
    assert NextTokenReader().loss(logits, prompt).item() == pytest.approx(sum(losses) / 3, abs=1e-12)
    each = token_losses(logits, prompt)
    assert each[0, 0].item() == pytest.approx(-torch.log_softmax(logits[0, 0], 0)[0].item())
