"""The sum of the heads' weights, and how far the heads cancel the constant that softmax adds."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analyses.evidence import Evidence
from analyses.experiments.softmax_heads.rates import ONE, TWO, last_losses, runs_by_rate
from analyses.plots.plot import Plot
from analyses.plots.style import grid, legend, look_of
from analyses.plots.weights import heatmap
from probes.readings.arrays import find_array


def sums(evidence: Evidence, runs: Sequence[str]) -> Plot:
    """The first seed's eta_h A_h for every head, and their sum, on x."""
    sums_by_run = {}
    for run in runs:
        key = find_array(evidence.arrays, "head_sum", run=run)
        if key is not None:
            eta, A = (evidence.arrays[key._replace(name=name)][-1] for name in ("head_eta", "head_A"))
            by_head = {f"head {head}": eta[head] * A[head] for head in range(len(eta))}
            sums_by_run[run] = (key.seed, {**by_head, "sum": evidence.arrays[key][-1]})
    frames = []
    for run, (seed, images) in sums_by_run.items():
        for which, image in images.items():
            row, column = np.indices(image.shape)
            values = {"row": row.flatten(), "column": column.flatten(), "value": image.flatten()}
            frames.append(pd.DataFrame({"run": run, "seed": seed, "which": which, **values}))
    columns = ["run", "seed", "which", "row", "column", "value"]
    data = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)

    def draw() -> Figure:
        wide = max((len(images) for _, images in sums_by_run.values()), default=1)
        figure, panels = grid(max(len(sums_by_run), 1), wide, 3.0, 2.6)
        for axes in panels:
            axes.set_axis_off()
        for line, (run, (seed, images)) in enumerate(sums_by_run.items()):
            for column, (which, image) in enumerate(images.items()):
                axes = panels[line * wide + (column if which != "sum" else wide - 1)]
                axes.set_axis_on()
                heatmap(axes, image, np.ones_like(image, dtype=bool), float(np.abs(image).max()))
                axes.set_title(f"{run}, seed {seed}: {which}", fontsize=8)
        return figure

    return Plot(
        "head-sums",
        "What the heads add up to",
        "eta_h A_h of each head and their sum, on the entries of x; eta_h is the last diagonal entry of V_h. A step of "
        "gradient descent is a diagonal of equal, negative entries, -eta/N times the context's length.",
        "A sum with entries off the diagonal as large as those on it.",
        draw,
        data,
    )


def rates(evidence: Evidence) -> Plot:
    """The loss at the end of training of one head and of two, by learning rate."""
    losses = last_losses(evidence)
    start = evidence.curves[evidence.curves["step"] == 0].set_index(["run", "seed"])["held_out_loss"].rename("start")
    joined = losses.join(start, on=["run", "seed"])
    data = joined.assign(share=joined["held_out_loss"] / joined["start"])[["run", "kind", "rate", "seed", "share"]]

    def draw() -> Figure:
        figure, (axes,) = grid(1, 1, 4.6, 3.0)
        for shift, (kind, name) in zip((0.96, 1.04), ((ONE, "one_head"), (TWO, "two_heads")), strict=True):
            points, look = data[data["kind"] == kind], look_of(name)
            axes.scatter(
                points["rate"] * shift, points["share"], s=20, color=look.colour, marker=look.marker, label=look.label
            )
        axes.set(xscale="log", xlabel="learning rate", ylabel="held-out loss at the end\n/ loss before training")
        axes.set_xticks(list(runs_by_rate(ONE)), [f"{rate:g}" for rate in runs_by_rate(ONE)])
        axes.set_xticks([], minor=True)
        legend(figure, axes, columns=2)
        return figure

    return Plot(
        "rates",
        "The learning rates tried",
        "A point is a seed. One head and two have the same initial weights, prompts and steps; of each seed the rules "
        "judge the rate with the lowest loss.",
        "One head that comes near to two at some rate, or losses that still fall towards the largest or smallest rate.",
        draw,
        data,
    )


def offsets(evidence: Evidence, runs: Mapping[str, str]) -> Plot:
    """How far the heads cancel softmax's constant term, and how near their sum is to a diagonal; with controls."""
    last = evidence.last
    rows = last[(last["probe"] == "head_sum") & last["run"].isin(list(runs))]
    metrics = {
        "off_diagonal_mass": "norm off the diagonal\n/ norm on it",
        "off_diagonal_left": "norm off the diagonal\n/ sum of the heads' own",
        "offset": "|sum of eta_h| / sum of |eta_h|",
    }
    bounds = {"off_diagonal_mass": 0.25, "off_diagonal_left": 0.18}
    controls = ("none", "untrained", "mismatched_heads", "constructed_softmax_shared", "constructed_softmax_skewed")
    data = rows[rows["metric"].isin(list(metrics))][["run", "control", "metric", "seed", "value"]]

    def draw() -> Figure:
        figure, panels = grid(1, len(metrics), 3.4, 3.0)
        for axes, (metric, label) in zip(panels, metrics.items(), strict=True):
            for position, run in enumerate(runs):
                of_run = data[(data["run"] == run) & (data["metric"] == metric)]
                for index, control in enumerate(controls):
                    values = of_run[of_run["control"] == control]["value"]
                    look = look_of("model" if control == "none" else control)
                    x = np.full(len(values), position + 0.14 * (index - 2))
                    axes.scatter(x, values, s=18, color=look.colour, marker=look.marker, label=look.label)
            axes.set(ylabel=label, xlim=(-0.5, len(runs) - 0.5))
            axes.set_xticks(range(len(runs)), list(runs.values()))
            axes.grid(visible=False, axis="x")
            axes.tick_params(axis="x", labelsize=7)
            if metric in bounds:
                axes.axhline(bounds[metric], color="0.2", linewidth=0.8)
                axes.text(-0.48, bounds[metric] + 0.01, "rule: below", fontsize=7, va="bottom")
        panels[0].set_ylim(-0.02, None)
        panels[0].set_yscale("symlog", linthresh=0.1)
        panels[1].set_ylim(-0.05, 1.05)
        panels[2].set_ylim(-0.05, 1.05)
        # The last run has every control.
        legend(figure, panels[0], columns=3)
        return figure

    return Plot(
        "head-offsets",
        "The sum's shape, and the constant that softmax adds",
        "A point is a seed. Left: how far the sum of eta_h A_h is from a diagonal. Middle: how much the heads leave of "
        "their own entries off the diagonal; 0 where they cancel, 1 where they add up and for a single head. Right: "
        "every softmax head adds a multiple of the labels' mean. Shown is the share of it that the heads do not "
        "cancel: 1 for a single head, 0 for two opposite ones.",
        "Trained heads at the level of untrained or mismatched ones.",
        draw,
        data,
    )
