"""Speed as a ratio: both sides in alternating blocks of one run, on one thread, and the median of each."""

import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from analyses.registry import BENCHES
from mesa.errors import UserError
from mesa.storage.files import write_atomic

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Block: TypeAlias = Callable[[], object]
# What a benchmark yields: a dataclass, one measured row.
BenchResult: TypeAlias = "DataclassInstance"


@dataclass(frozen=True)
class Pace:
    """Median seconds of one call of each side, and the ratio of the first to the second."""

    first_s: float
    second_s: float

    @property
    def ratio(self) -> float:
        """How many times faster the second side is."""
        return self.first_s / self.second_s


def alternate(first: Block, second: Block, *, calls: int = 20, blocks: int = 9, warm_up: int = 3) -> Pace:
    """Time two sides in turn, so that a machine whose speed drifts does not favour either."""
    for side in (first, second):
        for _ in range(warm_up):
            side()
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(blocks):
        for side, seconds in zip((first, second), times, strict=True):
            start = time.perf_counter()
            for _ in range(calls):
                side()
            seconds.append((time.perf_counter() - start) / calls)
    return Pace(statistics.median(times[0]), statistics.median(times[1]))


def alternate_all(sides: Sequence[Block], *, block_s: float = 0.3, blocks: int = 9) -> list[list[float]]:
    """Seconds of one call of every side, by block: sides take turns in blocks of about `block_s` seconds."""
    calls = []
    for side in sides:
        side()
        start = time.perf_counter()
        side()
        calls.append(max(1, round(block_s / (time.perf_counter() - start))))
    times: list[list[float]] = [[] for _ in sides]
    for _ in range(blocks):
        for side, count, seconds in zip(sides, calls, times, strict=True):
            start = time.perf_counter()
            for _ in range(count):
                side()
            seconds.append((time.perf_counter() - start) / count)
    return times


def run_bench(name: str, file: Path | None) -> None:
    """Run a benchmark, print its rows as they come, and write them as JSON; UserError for an unknown name."""
    row = BENCHES[name]
    if file is not None and not file.absolute().parent.is_dir():
        raise UserError(f"--json {file}: its folder does not exist")
    results = []
    for result in row.results():
        results.append(result)
        print("  ".join(f"{key} {_shown(value)}" for key, value in asdict(result).items()), flush=True)
    if words := row.words(results):
        print(words)
    if file is not None:
        write_atomic(file.absolute(), json.dumps([asdict(result) for result in results], indent=1) + "\n")


def _shown(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
