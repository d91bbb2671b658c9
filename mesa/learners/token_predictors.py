"""Explicit rules without parameters for the next symbol of a sequence, from the pairs (x_t, x_(t+1)) before it.

Every rule takes prompts and the possible `symbols` (ids, in the order of the last axis). It gives a score to every
symbol at every position p that a model reads. It uses only the tokens up to p: pairs with t + 1 <= p and, for most
rules, x_t = x_p. Scores are (batch pos-1 symbol), in float64, on the prompts' device.

`gradient_step` is one gradient step from zero on the pairs, the raw counts (`mesa.construction.pair_step`).
`normalised_bigram` divides these by their sum, as a softmax head does. `smoothed_log_bigram` are the log-probabilities
of the best predictor of a Markov chain with uniform rows. Where no token occurs twice, these three give every symbol
the same score.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tasks.prompt import TokenPrompt

Guess = Float[Tensor, "batch pos symbol"]
Symbols = Int[Tensor, " symbol"]
Rule = Callable[[TokenPrompt, Symbols], Guess]


def matches(prompt: TokenPrompt) -> Float[Tensor, "batch pos key"]:
    """1 where a key stands before a position and holds the same token, else 0."""
    read = prompt.tokens[:, :-1]
    return (read[:, :, None] == read[:, None, :]).tril(-1).double()


def gradient_step(prompt: TokenPrompt, symbols: Symbols, step_size: float = 1.0) -> Guess:
    """One step from zero of size `step_size` = eta/N: how often each symbol followed the current token.

    >>> prompt = TokenPrompt(torch.tensor([[2, 0, 1, 0, 1, 0, 0]]), torch.zeros(1, 7, dtype=torch.bool))
    >>> gradient_step(prompt, torch.arange(2))[0, -1].tolist()
    [0.0, 2.0]
    """
    return step_size * (matches(prompt) @ _hot(prompt.tokens[:, 1:], symbols))


def normalised_bigram(prompt: TokenPrompt, symbols: Symbols) -> Guess:
    """The share of each symbol among those that followed the current token; 0 where none did.

    >>> prompt = TokenPrompt(torch.tensor([[2, 0, 1, 0, 1, 0, 0]]), torch.zeros(1, 7, dtype=torch.bool))
    >>> normalised_bigram(prompt, torch.arange(2))[0, -1].tolist()
    [0.0, 1.0]
    """
    matched = matches(prompt)
    return (matched @ _hot(prompt.tokens[:, 1:], symbols)) / matched.sum(dim=-1, keepdim=True).clamp(min=1)


def smoothed_log_bigram(prompt: TokenPrompt, symbols: Symbols) -> Guess:
    """log((n + 1) / (N + V)), n of the N successors of the current token, V symbols: the best for uniform rows.

    >>> prompt = TokenPrompt(torch.tensor([[2, 0, 1, 0, 1, 0, 0]]), torch.zeros(1, 7, dtype=torch.bool))
    >>> smoothed_log_bigram(prompt, torch.arange(2))[0, -1].exp().tolist()
    [0.25, 0.75]
    """
    return _smoothed(gradient_step(prompt, symbols))


def unigram(prompt: TokenPrompt, symbols: Symbols) -> Guess:
    """log((n + 1) / (N + V)), n of the N tokens after the first one: how frequent each symbol was.

    >>> prompt = TokenPrompt(torch.tensor([[2, 0, 1, 0, 1]]), torch.zeros(1, 5, dtype=torch.bool))
    >>> unigram(prompt, torch.arange(2))[0, -1].exp().tolist()
    [0.6, 0.4]
    """
    hot = _hot(prompt.tokens[:, :-1], symbols)
    hot[:, 0] = 0.0
    return _smoothed(hot.cumsum(dim=1))


def uniform(prompt: TokenPrompt, symbols: Symbols) -> Guess:
    """Zero for every symbol.

    >>> prompt = TokenPrompt(torch.tensor([[2, 0, 1]]), torch.zeros(1, 3, dtype=torch.bool))
    >>> uniform(prompt, torch.arange(2)).tolist()
    [[[0.0, 0.0], [0.0, 0.0]]]
    """
    return torch.zeros_like(_hot(prompt.tokens[:, :-1], symbols))


def most_recent(prompt: TokenPrompt, symbols: Symbols) -> Guess:
    """1 for the token that followed the latest earlier occurrence of the current token; 0 where there is none.

    >>> prompt = TokenPrompt(torch.tensor([[2, 0, 1, 0, 0, 1]]), torch.zeros(1, 6, dtype=torch.bool))
    >>> most_recent(prompt, torch.arange(2))[0].tolist()
    [[0.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, 1.0], [1.0, 0.0]]
    """
    matched = matches(prompt)
    numbered = matched * (torch.arange(matched.shape[-1], device=matched.device) + 1.0)
    latest, position = numbered.max(dim=-1)
    hot = _hot(prompt.tokens[:, 1:], symbols)
    return hot.gather(1, position[..., None].expand_as(hot)) * (latest > 0)[..., None]


def _hot(tokens: Int[Tensor, "batch pos"], symbols: Symbols) -> Guess:
    return (tokens[..., None] == symbols.to(tokens.device)).double()


def _smoothed(counts: Guess) -> Guess:
    return ((counts + 1) / (counts.sum(dim=-1, keepdim=True) + counts.shape[-1])).log()
