"""Arrays beside a table: each belongs to one model (run, seed, step, control) and has a name."""

from collections.abc import Iterable
from typing import NamedTuple


class ArrayKey(NamedTuple):
    """Which array: of which run, seed, training step and control, and its name in the probe.

    A probe names its arrays only; `Reading.stamped` fills in the rest.
    """

    run: str
    seed: int | None
    step: int | None
    control: str
    name: str


def unstamped(name: str) -> ArrayKey:
    """The key of an array that a probe has named, before it is known which model it belongs to."""
    return ArrayKey("", None, None, "none", name)


def find_array(
    keys: Iterable[ArrayKey],
    name: str,
    *,
    run: str | None = None,
    control: str = "none",
    seed: int | None = None,
    step: int | None = None,
) -> ArrayKey | None:
    """The key of the array that is meant: of the first seed and its last step, unless others are named; None: no such.

    Raises ValueError where `run` is not given and several runs have such an array.

    >>> keys = [ArrayKey("a", seed, step, "none", "A") for seed in (1, 0) for step in (0, 100, 20)]
    >>> find_array(keys, "A", run="a")
    ArrayKey(run='a', seed=0, step=100, control='none', name='A')
    """
    named = [key for key in keys if key.name == name and key.control == control and run in (None, key.run)]
    named = [key for key in named if seed in (None, key.seed) and step in (None, key.step)]
    runs = {key.run for key in named}
    if len(runs) > 1:
        raise ValueError(f"run: {sorted(runs)} all have an array {name!r}; name one of them")
    return min(named, key=_first_seed_last_step, default=None)


def _first_seed_last_step(key: ArrayKey) -> tuple[int, int]:
    return -1 if key.seed is None else key.seed, 1 if key.step is None else -key.step
