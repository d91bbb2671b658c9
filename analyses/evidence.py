"""What claims and figures are made from: all that was measured on the runs of an analysis or on a single run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from analyses.unsettled import is_on_plateau, reason_unsettled
from mesa.storage.run import Run
from probes.probe import Skipped
from probes.readings.arrays import ArrayKey
from probes.readings.reading import Reading


@dataclass(frozen=True)
class Evidence:
    """All that was measured: rows of readings, arrays, learning curves, and how the seeds ended.

    `diverged` and `undertrained` name seeds, each with a reason in brackets; the text starts with the name of its run.
    `prompts` has the largest number of prompts that a seed of each run has seen, and `plateau_prompts` that of each
    undertrained seed whose loss is flat on a trivial plateau, by its text.
    """

    runs: Mapping[str, Run]
    rows: pd.DataFrame
    arrays: Mapping[ArrayKey, np.ndarray]
    curves: pd.DataFrame
    skipped: Sequence[Skipped] = ()
    diverged: tuple[str, ...] = ()
    undertrained: tuple[str, ...] = ()
    prompts: Mapping[str, int] = field(default_factory=dict)
    plateau_prompts: Mapping[str, int] = field(default_factory=dict)

    @property
    def last(self) -> pd.DataFrame:
        """The rows of the last checkpoint that each probe measured of each seed, and all rows of controls."""
        final = self.rows.groupby(["run", "seed", "probe"])["step"].transform("max")
        return self.rows[(self.rows["step"] == final) | (self.rows["control"] != "none")]


def gather(runs: Mapping[str, Run], reading: Reading, skipped: Sequence[Skipped] = ()) -> Evidence:
    """Everything that claims and figures are made from: readings, learning curves, and how seeds ended."""
    curves, diverged, unsettled = [], [], []
    prompts, plateau_prompts = dict[str, int](), dict[str, int]()
    for name, run in runs.items():
        for seed in run.seeds:
            metrics, outcome = run.metrics(seed), run.outcome(seed)
            if outcome["status"] == "diverged":
                diverged.append(f"{name} seed {seed} (step {outcome['step']})")
                continue
            curves += [{"run": name, "seed": seed, **row} for row in metrics]
            prompts_seen = outcome.get("step", 0) * run.config.training.batch
            prompts[name] = max(prompts.get(name, 0), prompts_seen)
            reason = reason_unsettled(run.config, seed, outcome, metrics)
            if reason is not None:
                unsettled.append(text := f"{name} seed {seed} ({reason})")
                if is_on_plateau(reason):
                    plateau_prompts[text] = prompts_seen
    columns = ["run", "seed", "step", "train_loss", "held_out_loss", "gradient_norm"]
    table = pd.DataFrame(curves, columns=columns).astype({"train_loss": float, "gradient_norm": float})
    return Evidence(
        dict(runs),
        reading.table,
        reading.arrays,
        table,
        tuple(skipped),
        tuple(diverged),
        tuple(unsettled),
        prompts,
        plateau_prompts,
    )
