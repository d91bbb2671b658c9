"""Losses on the tasks that a model was trained on, and on fresh ones."""

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.figure import Figure

from analyses.claims.analysis import Evidence, Plot
from analyses.claims.tables import relative_curves, shares_of_zero
from analyses.plots.seed_lines import reference_line, seed_lines
from analyses.plots.style import grid, legend, look_of


def over_tasks(ratios: pd.DataFrame, layers: Mapping[str, int], blocks: Mapping[str, int]) -> Plot:
    """Losses in units of gradient descent's over the number of training tasks, a panel for layers and for blocks."""
    counts = {**layers, **blocks}
    data = ratios[ratios["run"].isin(list(counts)) & (ratios["control"] == "none")].copy()
    data["tasks"] = data["run"].map(counts)
    data["model"] = data["run"].map(lambda run: "layer" if run in layers else "block")

    def draw() -> Figure:
        figure, panels = grid(1, 3, 3.1, 2.9)
        few = min(layers.values())
        shown = {
            "linear self-attention": data[data["model"] == "layer"],
            f"the same, without {few}": data[(data["model"] == "layer") & (data["tasks"] > few)],
            "linear self-attention and MLP": data[data["model"] == "block"],
        }
        for axes, (title, part) in zip(panels, shown.items(), strict=True):
            part = part.sort_values("tasks")
            for who, column, side in (("model", "trained", 0.92), ("fresh_teachers", "fresh", 1.09)):
                # Side by side: from many tasks on the two are one.
                name = "on trained teachers" if who == "model" else look_of(who).label
                axes.scatter(part["tasks"] * side, part[column], s=16, color=look_of(who).colour, label=name, zorder=3)
                mean = part.groupby("tasks")[column].mean()
                axes.plot(mean.index * side, mean, color=look_of(who).colour, linewidth=0.9)
            reference_line(axes, 1, "gd")
            axes.set(xscale="log", title=title, xlabel="training tasks")
            axes.set_xticks(sorted(set(part["tasks"])), [str(count) for count in sorted(set(part["tasks"]))])
            axes.minorticks_off()
        # What is small is compared on one scale.
        low, high = (pick(axes.get_ylim()[end] for axes in panels[1:]) for end, pick in ((0, min), (1, max)))
        for axes in panels[1:]:
            axes.set_ylim(low, high)
        panels[0].set_ylabel("loss / tuned GD's loss")
        legend(figure, panels[0])
        return figure

    return Plot(
        "over-tasks",
        "Trained and fresh teachers",
        "Every point is a seed; a task is a teacher. The more teachers, the nearer the two losses: with 128 a layer's "
        "differ by a few per cent, as those of the best preconditioned step for these teachers do, with 8192 no more. "
        "Eight teachers do not span the ten dimensions: the layer makes use of it, and fails on others.",
        "A loss on trained teachers far below gradient descent's at 128: the layer would then have memorised them; or "
        "one on fresh teachers that is above it at 8192.",
        draw,
        data,
    )


def curves(evidence: Evidence, runs: Sequence[str]) -> Plot:
    """Held-out losses, on the trained teachers, over training."""
    data = relative_curves(evidence.curves)[["run", "seed", "step", "share"]]
    data = data[data["run"].isin(runs)]
    level = shares_of_zero(evidence.rows[evidence.rows["control"] == "none"]).reset_index()

    def draw() -> Figure:
        figure, panels = grid(-(-len(runs) // 4), 4, 2.6, 2.3)
        for axes in panels[len(runs) :]:
            axes.set_axis_off()
        for index, (axes, run) in enumerate(zip(panels, runs, strict=False)):
            of_run = data[(data["run"] == run) & (data["step"] > 0)]
            seed_lines(axes, of_run, "model", y="share", linewidth=0.9)
            for who in ("gd", "zero"):
                value = level[level["run"] == run][who].mean()
                reference_line(axes, value, who)
            axes.set(xscale="log", xlim=(40, None), ylim=(0.2, 1.05), title=run)
            if index % 4 == 0:
                axes.set_ylabel("held-out loss\n/ predict-zero's")
            if index >= len(runs) - 4:
                axes.set_xlabel("training step")
        legend(figure, panels[0])
        return figure

    return Plot(
        "training",
        "Training",
        "Every line is a seed, on prompts of the teachers that it is trained on. All reach the dashed line of gradient "
        "descent; only with eight teachers the layer goes clearly below it.",
        "A loss that is still falling at the end, or a second drop, to a solution that stores the teachers.",
        draw,
        data,
    )
