"""Which heads carry a behaviour: effects by layer and head, then what is behind each of them."""

from collections.abc import Sequence

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analyses.evidence import Evidence
from analyses.plots.plot import Plot
from analyses.plots.style import grid, legend, nothing_to_draw
from probes.readings.selection import select

# Panels of the first figure: what is drawn of each head, from which rows.
EFFECTS = {
    "direct": "written directly",
    "ablated": "lost when ablated",
    "ablated_patterns_held": "lost, patterns held",
    "agreement": "prompts changed",
}
ABLATIONS = {"zero": ("s", 0), "mean": ("o", 1), "resampled": ("D", 2)}


def effects(evidence: Evidence, runs: Sequence[str], ablation: str = "mean") -> Plot:
    """Heatmaps of each head's share of the behaviour, layers and heads of every seed; reds carry, blues counteract."""
    rows = _attributed(evidence, runs)
    of_ablation = (rows["metric"] == "direct") | (rows["ablation"] == ablation)
    rows = rows[of_ablation & rows["metric"].isin(list(EFFECTS))]
    # What remains, 1 = all of it, becomes what is lost; what is written directly is a share as it is.
    lost = rows["value"].where(rows["metric"] == "direct", 1 - rows["value"])
    data = rows[["run", "seed", "metric", "layer", "head"]].assign(value=lost.astype(float))

    def draw() -> Figure:
        deep = max((len(_labelled(data[data["run"] == run]).index.unique()) for run in runs), default=1)
        figure, panels = grid(len(runs), len(EFFECTS), 3.1, 1.1 + 0.24 * deep)
        for row, run in enumerate(runs):
            for column, (metric, label) in enumerate(EFFECTS.items()):
                axes = panels[row * len(EFFECTS) + column]
                image = _labelled(data[(data["run"] == run) & (data["metric"] == metric)])
                if image.empty:
                    nothing_to_draw(axes, f"{run}: {label}\nno behaviour to attribute")
                    continue
                _shares(axes, image, bar=column == len(EFFECTS) - 1)
                axes.set(title=f"{run}: {label}", xlabel="head", ylabel="seed, layer" if column == 0 else "")
        return figure

    return Plot(
        "effects",
        "What each head does for the behaviour",
        f"Shares of the behaviour: 1 is the whole difference between clean and corrupted prompts. First: what a head "
        f"writes to the output itself. Second: what is lost when its output is replaced ({ablation} ablation). Third: "
        "the same with every attention pattern held as it was. Red heads carry the behaviour, blue ones counteract it. "
        "Last: how far single prompts move without the head; 1 is as far as corrupted ones. A mean over prompts would "
        "hide changes that cancel.",
        "The same colour in all heads, or a head that is red in one panel and blue in the next.",
        draw,
        data,
    )


def conditions(evidence: Evidence, runs: Sequence[str]) -> Plot:
    """What remains of the behaviour after each kind of ablation of each head; every seed a point."""
    rows = _attributed(evidence, runs)
    rows = rows[rows["metric"].isin(["ablated", "ablated_patterns_held"]) & rows["ablation"].isin(list(ABLATIONS))]
    data = rows[["run", "seed", "metric", "ablation", "layer", "head", "value"]]

    def draw() -> Figure:
        figure, panels = grid(len(runs), 2, 4.4, 2.6)
        for row, run in enumerate(runs):
            for column, metric in enumerate(("ablated", "ablated_patterns_held")):
                axes = panels[2 * row + column]
                remaining = data[(data["run"] == run) & (data["metric"] == metric)]
                heads = sorted(set(zip(remaining["layer"], remaining["head"], strict=True)))
                for ablation, (marker, index) in ABLATIONS.items():
                    points = remaining[remaining["ablation"] == ablation]
                    x = [heads.index(head) + 0.22 * (index - 1) for head in zip(points["layer"], points["head"])]
                    axes.scatter(
                        x, points["value"], marker=marker, s=16, color=sns.color_palette("colorblind")[index + 1],
                        label=f"{ablation} ablation", edgecolor="white", linewidth=0.3, zorder=3,
                    )  # fmt: skip
                axes.axhline(1, color="0.3", linewidth=1, linestyle="--", label="clean run")
                axes.axhline(0, color="0.3", linewidth=1, linestyle=":", label="corrupted run")
                axes.set_xticks(range(len(heads)), labels=[f"{layer}.{head}" for layer, head in heads])
                axes.tick_params(axis="x", labelsize=7, rotation=90 if len(heads) > 12 else 0)
                held = ", patterns held" if column else ""
                axes.set(title=f"{run}{held}", xlabel="layer.head", ylabel="" if column else "what remains")
        legend(figure, panels[0], columns=5)
        return figure

    return Plot(
        "ablations",
        "What remains without each head",
        "Every point is a seed: 1 is the clean run, 0 the corrupted one. Left, everything after the head reacts; "
        "right, attention patterns are held, so that only values change. A head that matters on the left alone works "
        "through the attention of others.",
        "Kinds of ablation that disagree: the mean of the head's output would then matter, not how it varies.",
        draw,
        data,
    )


def paths(evidence: Evidence, runs: Sequence[str]) -> Plot:
    """What is lost when one head's corrupted output reaches one input of one later head; the first seed."""
    rows = _attributed(evidence, runs)
    rows = rows[rows["metric"].isin(["path", "joint_path"]) & rows["to_input"].isin(["q", "k", "v"])]
    data = rows[["run", "seed", "metric", "layer", "head", "to_layer", "to_head", "to_input", "value"]]

    def draw() -> Figure:
        figure, panels = grid(len(runs), 1, 6.4, 2.4)
        for axes, run in zip(panels, runs, strict=True):
            lost = data[data["run"] == run]
            lost = lost[lost["seed"] == lost["seed"].min()]
            joint = lost[(lost["metric"] == "joint_path") & (lost["to_layer"] == lost["to_layer"].max())]
            lost = lost[lost["metric"] == "path"]
            if lost.empty:
                nothing_to_draw(axes, f"{run}: no behaviour to attribute, or one layer")
                continue
            sender = lost["layer"].astype(str) + "." + lost["head"].astype(str)
            receiver = lost["to_layer"].astype(str) + "." + lost["to_head"].astype(str) + " " + lost["to_input"]
            image = lost.assign(sender=sender, receiver=receiver).pivot(
                index="sender", columns="receiver", values="value"
            )
            _shares(axes, image)
            together = ", ".join(f"{row.to_input} {row.value:.2f}" for row in joint.itertuples())
            title = f"{run}, seed {int(lost['seed'].min())}; to all heads of the last layer: {together}"
            axes.set(title=title, xlabel="receiver: layer.head input")
            axes.set_ylabel("sender: layer.head")
            axes.tick_params(axis="x", rotation=90 if len(image.columns) > 12 else 0)
        return figure

    return Plot(
        "paths",
        "Through which inputs heads reach later heads",
        "Share of the behaviour lost when a head's output, as in the corrupted run, reaches only one input (query, key "
        "or value) of one later head. The title gives the share that is lost when the outputs of all earlier heads "
        "reach one input of all heads of the last layer: paths are not additive. Previous-token heads should reach "
        "induction heads through their keys.",
        "Losses through queries or values as large as through keys.",
        draw,
        data,
    )


def _attributed(evidence: Evidence, runs: Sequence[str]) -> pd.DataFrame:
    last = evidence.last
    return select(last[last["run"].isin(list(runs))], probe="head_attribution", control="none")


def _labelled(rows: pd.DataFrame) -> pd.DataFrame:
    """An image of (seed, layer) by head."""
    label = rows["seed"].astype(str) + ", " + rows["layer"].astype(str)
    return rows.assign(label=label).pivot_table(index="label", columns="head", values="value")


def _shares(axes: Axes, image: pd.DataFrame, bar: bool = True) -> None:
    axes.grid(visible=False)
    sns.heatmap(
        # Adding zero turns -0.00 into 0.00.
        image.round(2) + 0.0, cmap="vlag", center=0, vmin=-1, vmax=1, annot=image.size <= 60, fmt=".2f", ax=axes,
        annot_kws={"fontsize": 7}, cbar=bar, cbar_kws={"shrink": 0.8},
    )  # fmt: skip
    axes.tick_params(axis="y", rotation=0)
