"""The smallest set of heads that keeps a share of a behaviour: by size where all sets can be tried, else backwards."""

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
    """The set with the fewest heads that keeps at least `share`; among equals the one that keeps most.

    Up to ten heads it is found by trying all sets of each size. Beyond, one head after another is taken away, always
    the one without which most remains, until without any one of the others less than the share would: each head of the
    set is then needed in it, but a smaller set may exist.

    >>> worth = torch.tensor([0.0, 0.7, 0.3, 0.0])
    >>> smallest_circuit(lambda sets: (sets * worth).sum(dim=1), heads=4, share=0.9).tolist()
    [False, True, True, False]
    """
    if heads <= EXHAUSTIVE:
        return _by_size(remaining, heads, share)
    circuit = torch.ones(heads, dtype=torch.bool)
    while circuit.any():
        members = circuit.nonzero()[:, 0]
        fewer = circuit.repeat(len(members), 1)
        fewer[range(len(members)), members] = False
        values = remaining(fewer)
        best = int(values.argmax())
        if not values[best] >= share:
            break
        circuit = fewer[best]
    return circuit


def _by_size(remaining: Remaining, heads: int, share: float) -> Bool[Tensor, " head"]:
    for size in range(heads):
        chosen = list(combinations(range(heads), size))
        sets = torch.zeros(len(chosen), heads, dtype=torch.bool)
        for row, members in zip(sets, chosen):
            row[list(members)] = True
        values = remaining(sets)
        best = int(values.argmax())
        if values[best] >= share:
            return sets[best]
    return torch.ones(heads, dtype=torch.bool)
