"""Speed as a ratio: both sides in alternating blocks of one run, on one thread, and the median of each."""

import json
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from analyses.registry import BENCHES
from mesa.errors import UserError, unknown
from mesa.storage.files import write_atomic

Block = Callable[[], Any]


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
        for side, found in zip((first, second), times, strict=True):
            start = time.perf_counter()
            for _ in range(calls):
                side()
            found.append((time.perf_counter() - start) / calls)
    return Pace(statistics.median(times[0]), statistics.median(times[1]))


def run_bench(name: str, file: Path | None) -> None:
    """Run a benchmark, print its rows as they come, and write them as JSON; UserError for an unknown name."""
    if name not in BENCHES:
        raise unknown("benchmark", name, BENCHES)
    if file is not None and not file.absolute().parent.is_dir():
        raise UserError(f"--json {file}: its folder does not exist")
    rows, found, module = [], [], import_module(BENCHES[name][0])
    for row in module.rows():
        found.append(row)
        rows.append(asdict(row))
        shown = (
            f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}" for key, value in rows[-1].items()
        )
        print("  ".join(shown), flush=True)
    if hasattr(module, "summary"):
        print(module.summary(found))
    if file is not None:
        write_atomic(file.absolute(), json.dumps(rows, indent=1) + "\n")
