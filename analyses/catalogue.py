"""The analyses by name; only names and sentences, nothing is loaded."""

from importlib import import_module
from typing import TYPE_CHECKING

from mesa.errors import unknown

if TYPE_CHECKING:
    from analyses.analysis import Analysis

ANALYSES = {
    "one-step": ("analyses.one_step", "OneStep", "one trained layer is one gradient step; about two minutes"),
}
BENCHES = {
    "training": ("analyses.bench_training", "steps per second beside a plain loop over the model's forward pass"),
}


def analysis_of(name: str) -> "Analysis":
    """The analysis of this name; UserError, with the nearest name, where there is none."""
    if name not in ANALYSES:
        raise unknown("analysis", name, ANALYSES)
    module, cls, _ = ANALYSES[name]
    return getattr(import_module(module), cls)()
