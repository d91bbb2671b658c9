"""Progress with a meaningful total: a bar in a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

Report = Callable[[int, int, int, int], None]


def silent(done: int, total: int, seeds: int, of: int) -> None:
    """Report to nobody."""


@dataclass(frozen=True)
class Progress:
    """Shows how far long work is, by default on stderr; `every` is the least time in seconds between plain lines."""

    stream: TextIO = field(default_factory=lambda: sys.stderr)
    every: float = 5.0

    @contextmanager
    def task(self, label: str, unit: str) -> Iterator[Report]:
        """A report function taking (done, in all, seeds done, seeds in all); nothing is shown for work already done."""
        console = Console(file=self.stream)
        if not console.is_terminal:
            yield self._lines(label, unit)
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn(unit))
        with Bars(*columns, TimeRemainingColumn(), console=console) as bars:
            task = bars.add_task(label, total=None)

            def report(done: int, total: int, seeds: int, of: int) -> None:
                named = f"{label}, {seeds} of {of} seeds done" if of else label
                bars.update(task, completed=done, total=total, description=named)

            yield report

    def _lines(self, label: str, unit: str) -> Report:
        last = [-1, 0.0]

        def report(done: int, total: int, seeds: int, of: int) -> None:
            now = time.monotonic()
            due = now - last[1] >= self.every or (done == total and last[0] != done)
            if due and done != last[0]:
                last[:] = [done, now]
                named = f" ({seeds} of {of} seeds done)" if of else ""
                print(f"{label}: {done:,} of {total:,} {unit}{named}", file=self.stream, flush=True)

        return report
