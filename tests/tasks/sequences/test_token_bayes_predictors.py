"""`best` is Bayes' rule: for tiny tasks, by summing over everything that cannot be seen."""

from itertools import permutations, product

import numpy as np
import pytest
import torch

from tasks import AssociativeRecall, DistinctTokens, MarkovChain, RepeatedTokens, TokenPrompt
from tests.helpers.predictions import bayes_log_probabilities


def conditional(probability, symbols: tuple[int, ...], place: int, vocabulary: int) -> list[float]:
    """P(next | so far), from the probability of whole beginnings."""
    joint = [probability((*symbols[:place], v)) for v in range(vocabulary)]
    return [value / sum(joint) if sum(joint) else float("nan") for value in joint]


def found_and_wanted(task, probability, rows: list[tuple[int, ...]]) -> tuple[torch.Tensor, torch.Tensor]:
    tokens = torch.tensor([(task.d_vocab - 1, *row) for row in rows])
    if getattr(task, "bos", None) is not None:
        tokens[:, 0] = task.bos
    best = bayes_log_probabilities(task, TokenPrompt(tokens, torch.zeros_like(tokens, dtype=torch.bool))).exp()
    wanted = [[conditional(probability, row, p, task.vocabulary) for p in range(len(row))] for row in rows]
    assert best[..., task.vocabulary :].eq(0).all()
    return best[..., : task.vocabulary], torch.tensor(wanted, dtype=torch.float64)


def copies(vocabulary: int, noise: float, hidden: int, shown: int) -> float:
    return (1 - noise) * (hidden == shown) + noise / vocabulary


@pytest.mark.parametrize("noise", [0.0, 0.3])
@pytest.mark.parametrize("bos", [None, 1])
def test_repeated_tokens(noise, bos):
    task = RepeatedTokens(vocabulary=2, length=6, shortest=1, longest=3, noise=noise, bos=bos)

    def probability(row: tuple[int, ...]) -> float:
        # The last of these tokens is the one that is asked for: it is scored, so the block has ended before it.
        total = 0.0
        for size in (size for size in (1, 2, 3) if size < len(row)):
            for block in product(range(2), repeat=3):
                given = [copies(2, noise, block[t % size], shown) for t, shown in enumerate(row)]
                total += np.prod(given) / 3 / 8
        return float(total)

    rows = [row for row in product(range(2), repeat=6) if probability(row) > 0]
    computed, wanted = found_and_wanted(task, probability, rows)
    # What cannot be scored, for no block that has ended gives the tokens so far, is uniform.
    torch.testing.assert_close(computed, wanted.nan_to_num(nan=0.5), rtol=0, atol=1e-12)


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_associative_recall(noise):
    task = AssociativeRecall(vocabulary=4, length=3, noise=noise)

    def probability(row: tuple[int, ...]) -> float:
        total = 0.0
        for answer in product((2, 3), repeat=2):
            given = 1.0
            for place, shown in enumerate(row):
                if place % 2 == 0:
                    given *= 0.5 * (shown < 2)
                else:
                    value = answer[row[place - 1]]
                    given *= (1 - noise) * (value == shown) + (noise / 2) * (shown >= 2)
            total += given / 4
        return total

    pairs = list(product(range(2), (2, 3)))
    rows = [sum(chosen, ()) for chosen in product(pairs, repeat=3)]
    rows = [row for row in rows if probability(row) > 0]
    computed, wanted = found_and_wanted(task, probability, rows)
    torch.testing.assert_close(computed, wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_markov_chain(noise):
    task = MarkovChain(vocabulary=2, length=7, noise=noise)
    # A row is (p, 1 - p), p uniform on 0..1: polynomials of degree 6, which 10 nodes integrate exactly.
    nodes, weights = np.polynomial.legendre.leggauss(10)
    p, weights = (nodes + 1) / 2, weights / 2
    rows_of = np.stack([p, 1 - p], axis=1) * (1 - noise) + noise / 2

    def probability(row: tuple[int, ...]) -> float:
        total = 0.5
        for state in range(2):
            given = np.ones(len(p))
            for t in range(len(row) - 1):
                if row[t] == state:
                    given = given * rows_of[:, row[t + 1]]
            total *= float(given @ weights)
        return total

    computed, wanted = found_and_wanted(task, probability, list(product(range(2), repeat=7)))
    torch.testing.assert_close(computed, wanted, rtol=0, atol=1e-12)


def test_three_states_by_chance():
    # The mean of (1 - noise) p + noise/V under the posterior, by weighting 200,000 draws from the prior.
    task = MarkovChain(vocabulary=3, length=9, noise=0.4)
    read, after = [0, 1, 0, 1, 0, 2, 0], [1, 1, 2]
    tokens = torch.tensor([[3, *read, 0]])
    best = (
        task.bayes_predictor()
        .log_probabilities(TokenPrompt(tokens, torch.zeros_like(tokens, dtype=torch.bool)))[0, -1, :3]
        .exp()
        .numpy()
    )
    draws = np.random.default_rng(0).dirichlet(np.ones(3), size=200_000) * 0.6 + 0.4 / 3
    weight = np.prod(draws[:, after], axis=1)
    # Importance weights of so many draws leave about 0.001.
    np.testing.assert_allclose(best, (weight[:, None] * draws).sum(axis=0) / weight.sum(), atol=3e-3)


def test_distinct_tokens():
    task = DistinctTokens(vocabulary=4, length=3)
    rows = list(permutations(range(4), 3))
    # Every beginning without a repeated symbol is as likely as any other of its length.
    computed, wanted = found_and_wanted(task, lambda row: float(len(set(row)) == len(row)), rows)
    torch.testing.assert_close(computed, wanted, rtol=0, atol=1e-12)
