"""A figure of a report, with its numbers and the texts beside it."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pandas as pd
from matplotlib.figure import Figure


@dataclass(frozen=True)
class Plot:
    """A figure, its numbers, what to look at in it, and what in it would contradict the claims that it belongs to."""

    name: str
    title: str
    look: str
    against: str
    draw: Callable[[], Figure]
    data: pd.DataFrame = field(repr=False)
