"""The tables of `mesa attribute`: the heads of every seed, ranked, and the numbers about the whole model."""

import pandas as pd

from analyses.report.numbers import mean_and_interval, number
from probes.attribution.roles import ranked

# Numbers about the whole model, in the order in which they are shown.
WHOLE = {
    "clean": "read-out on clean prompts",
    "corrupted": "read-out on corrupted prompts",
    "behaviour_t": "their difference, in standard errors",
    "faithfulness": "kept by the smallest set, fresh prompts",
    "circuit_agreement": "agreement of single prompts with it alone",
    "completeness": "left without it, fresh prompts",
}
COLUMNS = ("seed", "head", "direct", "ablated", "held", "role", "set")


def ranking(rows: pd.DataFrame) -> tuple[dict[str, str], ...]:
    """The heads of every seed, the one that matters most first, as text: the keys are `COLUMNS`."""
    lines = []
    for seed, of_seed in rows.groupby("seed"):
        members = of_seed[(of_seed["metric"] == "circuit") & (of_seed["value"] == 1)]
        circuit = set(zip(members["layer"], members["head"], strict=True))
        for head in ranked(of_seed).to_dict("records"):
            shares = {name: number(head[name]) for name in ("direct", "ablated", "held")}
            inside = "yes" if (head["layer"], head["head"]) in circuit else ""
            label = f"{head['layer']}.{head['head']}"
            lines.append({"seed": str(seed), "head": label, **shares, "role": head["role"], "set": inside})
    return tuple(lines)


def whole(rows: pd.DataFrame) -> tuple[dict[str, str], ...]:
    """The numbers about the whole model: for each a label, and the mean over seeds with its 95 % t interval."""
    lines = []
    for metric, label in WHOLE.items():
        value_by_seed = rows[rows["metric"] == metric].groupby("seed")["value"].mean().to_numpy(float)
        lines.append({"label": label, "value": mean_and_interval(value_by_seed)})
    return tuple(lines)
