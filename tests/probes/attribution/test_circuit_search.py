"""Both searches find planted sets, and nothing besides; the small one tries all sets, the large one goes backwards."""

import pytest
import torch
from torch import Tensor

from probes.attribution.circuit import EXHAUSTIVE, smallest_circuit

SIZES = [6, EXHAUSTIVE + 14]


def found(worth: dict[int, float], heads: int, share: float = 0.9) -> set[int]:
    values = torch.zeros(heads, dtype=torch.float64)
    values[list(worth)] = torch.tensor(list(worth.values()), dtype=torch.float64)
    circuit = smallest_circuit(lambda sets: (sets * values).sum(dim=1), heads, share)
    return set(circuit.nonzero().flatten().tolist())


@pytest.mark.parametrize("heads", SIZES)
@pytest.mark.parametrize(
    ("worth", "wanted"),
    [
        ({3: 1.0}, {3}),
        ({0: 0.5, 5: 0.5}, {0, 5}),
        ({1: 0.96, 2: 0.04}, {1}),
        ({1: 1.5, 4: -0.5}, {1, 4}),
        # Each alone is many times the behaviour: neither keeps it.
        ({0: 6.0, 1: -5.0}, {0, 1}),
        ({1: 0.93, 2: 0.03, 4: -0.03, 5: 0.07}, {1}),
    ],
    ids=["one", "two halves", "a small helper", "one against", "two that cancel", "noise"],
)
def test_a_planted_set_is_found(heads: int, worth: dict[int, float], wanted: set[int]) -> None:
    assert found(worth, heads) == wanted


@pytest.mark.parametrize("heads", SIZES)
def test_one_of_two_that_can_stand_in_for_each_other_is_enough(heads: int) -> None:
    def remaining(sets: Tensor) -> Tensor:
        return sets[:, [2, 4]].any(dim=1).double()

    circuit = smallest_circuit(remaining, heads, 0.9)
    assert circuit.sum() == 1 and bool(circuit[2] | circuit[4])


@pytest.mark.parametrize("heads", SIZES)
def test_where_nothing_is_known_all_heads_stay(heads: int) -> None:
    assert smallest_circuit(lambda sets: torch.full((len(sets),), torch.nan), heads, 0.9).all()


@pytest.mark.parametrize("heads", SIZES)
def test_each_member_is_needed(heads: int) -> None:
    worth = torch.linspace(0.02, 1, heads, dtype=torch.float64)
    worth = worth / worth.sum()
    circuit = smallest_circuit(lambda sets: (sets * worth).sum(dim=1), heads, 0.8)
    kept = float(worth[circuit].sum())
    assert kept >= 0.8
    assert all(kept - float(worth[head]) < 0.8 for head in circuit.nonzero().flatten())
