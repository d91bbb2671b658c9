"""The smallest set of heads that keeps a share of a behaviour: all sets of a size are tried, or heads are removed."""

from collections.abc import Callable
from itertools import combinations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

# With more heads than this, all sets would be more than about a thousand.
EXHAUSTIVE = 10

Remaining = Callable[[Bool[Tensor, "set head"]], Float[Tensor, " set"]]
"""What remains of the behaviour when, of all heads, only those of a set work."""


def smallest_circuit(remaining: Remaining, heads: int, share: float) -> Bool[Tensor, " head"]:
    """The set with the fewest heads with which the behaviour remains; of several sets the one nearest to all of it.

    What remains must lie within 1 - `share` of 1, on either side. A set without the heads that work against a behaviour
    shows more than all of it, and that is another behaviour.

    Up to ten heads, all sets of each size are tried. With more, heads are removed one by one, always the one whose
    removal changes the behaviour least. This stops where each further removal would change it too much. Every head of
    that set is needed in it, but a smaller set may exist.

    >>> worth = torch.tensor([0.0, 1.5, -0.5, 0.02])
    >>> smallest_circuit(lambda sets: (sets * worth).sum(dim=1), heads=4, share=0.9).tolist()
    [False, True, True, False]
    """
    allowed = 1 - share
    if heads <= EXHAUSTIVE:
        return _by_size(remaining, heads, allowed)
    circuit = torch.ones(heads, dtype=torch.bool)
    while circuit.any():
        members = circuit.nonzero()[:, 0]
        fewer = circuit.repeat(len(members), 1)
        fewer[range(len(members)), members] = False
        best, change = _nearest(remaining(fewer))
        if not change <= allowed:
            break
        circuit = fewer[best]
    return circuit


def _by_size(remaining: Remaining, heads: int, allowed: float) -> Bool[Tensor, " head"]:
    for size in range(heads):
        candidates = list(combinations(range(heads), size))
        sets = torch.zeros(len(candidates), heads, dtype=torch.bool)
        for row, members in zip(sets, candidates):
            row[list(members)] = True
        best, change = _nearest(remaining(sets))
        if change <= allowed:
            return sets[best]
    return torch.ones(heads, dtype=torch.bool)


def _nearest(values: Float[Tensor, " set"]) -> tuple[int, float]:
    """Which set is nearest to the whole behaviour, and how far it is from it; NaN counts as infinitely far."""
    changes = (values - 1).abs().nan_to_num(nan=torch.inf)
    best = int(changes.argmin())
    return best, float(changes[best])
