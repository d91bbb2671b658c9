"""What language models learn, and when: losses, distances to explicit predictors, and scores of heads."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analyses.evidence import Evidence
from analyses.plots.plot import Plot
from analyses.plots.seed_lines import reference_line, seed_lines, step_axis
from analyses.plots.style import NATS, grid, legend, log_steps, look_of, nothing_to_draw
from probes.readings.arrays import find_array
from probes.readings.selection import select


def training(evidence: Evidence, runs: Mapping[str, Sequence[str]], look: str, against: str) -> Plot:
    """Held-out losses of every seed of some runs, each compared with its explicit predictors."""
    rows = evidence.rows[(evidence.rows["probe"] == "token_alignment") & (evidence.rows["control"] == "none")]
    levels = rows[rows["metric"] == "learner_loss"].groupby(["run", "learner"])["value"].mean()
    curves = evidence.curves[evidence.curves["run"].isin(list(runs))][["run", "seed", "step", "held_out_loss"]]
    fixed = levels.rename("held_out_loss").reset_index().rename(columns={"learner": "predictor"})
    data = pd.concat([curves.assign(predictor="model"), fixed], ignore_index=True)

    def draw() -> Figure:
        figure, panels = grid(1, len(runs), 3.6 if len(runs) > 1 else 5.0, 3.2)
        for axes, (run, learners) in zip(panels, runs.items(), strict=True):
            of_run = curves[(curves["run"] == run) & (curves["step"] > 0)]
            seed_lines(axes, of_run, "model", y="held_out_loss")
            for learner in learners:
                if (run, learner) in levels.index:
                    reference_line(axes, levels[(run, learner)], learner)
            axes.set(title=run)
            log_steps(axes)
        panels[0].set_ylabel(f"held-out loss ({NATS})")
        # The legend names the lines of the panel that has most.
        fullest = max(zip(runs.values(), panels, strict=True), key=lambda pair: len(pair[0]))[1]
        legend(figure, fullest, columns=3)
        return figure

    return Plot("training", "Training, compared with explicit predictors", look, against, draw, data)


def divergences(evidence: Evidence, runs: Sequence[str], learners: Sequence[str]) -> Plot:
    """KL from each explicit predictor to the model over training, every seed a line."""
    rows = evidence.rows
    rows = select(rows, probe="token_alignment", metric="kl", control="none")
    data = rows[rows["learner"].isin(list(learners))][["run", "learner", "seed", "step", "value"]]

    def draw() -> Figure:
        figure, panels = grid(1, len(runs), 3.8, 3.2)
        for axes, run in zip(panels, runs, strict=True):
            for learner in learners:
                curves = data[(data["run"] == run) & (data["learner"] == learner)]
                seed_lines(axes, curves, learner, label=f"to {look_of(learner).label}", linewidth=1.1)
            step_axis(axes)
            axes.set(yscale="log", title=run)
        panels[0].set_ylabel(f"KL(predictor || model) ({NATS})")
        legend(figure, panels[0], columns=3)
        return figure

    return Plot(
        "phases",
        "Which explicit predictor is nearest to the model, over training",
        "Every line is a seed. With two layers the uniform predictor is nearest first, then the unigram, then the "
        "bigram; with one layer the bigram is never reached.",
        "A bigram line below the unigram's before the unigram's has fallen, or in the model with one layer.",
        draw,
        data,
    )


def head_scores(evidence: Evidence, runs: Sequence[str], metrics: Mapping[str, str]) -> Plot:
    """Scores of every head at the end of training, compared with the untrained model; every seed has a row."""
    last = evidence.last
    rows = last[(last["probe"] == "induction_scores") & last["head"].notna() & last["metric"].isin(list(metrics))]
    rows = rows[rows["run"].isin(list(runs)) & rows["control"].isin(["none", "untrained"])]
    # A score may be given on several kinds of prompts; a figure has room for one number a head.
    data = rows.drop_duplicates(["run", "control", "metric", "seed", "layer", "head"])
    data = data[["run", "control", "metric", "seed", "layer", "head", "value"]]

    def draw() -> Figure:
        figure, panels = grid(len(runs), len(metrics), 3.2, 2.6)
        for row, run in enumerate(runs):
            for column, (metric, label) in enumerate(metrics.items()):
                axes = panels[row * len(metrics) + column]
                scores = data[(data["run"] == run) & (data["metric"] == metric)]
                image = pd.concat(
                    [_image(select(scores, control="none"), ""), _image(select(scores, control="untrained"), "u")]
                )
                if image.empty:
                    nothing_to_draw(axes, f"{run}: {label}\nnot measured")
                    continue
                sns.heatmap(
                    image, vmin=0, vmax=1, cmap="rocket_r", annot=image.size <= 60, fmt=".2f", ax=axes, cbar=False,
                    annot_kws={"fontsize": 7},
                )  # fmt: skip
                axes.set(xlabel="layer.head", ylabel="", title=f"{run}: {label}" if column == 0 else label)
                axes.tick_params(axis="y", rotation=0)
            panels[row * len(metrics)].set_ylabel("seed (u: untrained)")
        return figure

    return Plot(
        "head-scores",
        "Scores of every head, every seed",
        "Dark cells are near 1. A previous-token head stands in layer 0. An induction head stands in layer 1: it "
        "attends to the token after the earlier occurrence (prefix matching) and copies it. Untrained models (u) have "
        "neither.",
        "Dark cells in the rows of untrained models, or in layer 0's prefix matching.",
        draw,
        data,
    )


def _image(rows: pd.DataFrame, mark: str) -> pd.DataFrame:
    """Values by seed and head; `mark` stands before the number of the seed."""
    heads = rows["layer"].astype(str) + "." + rows["head"].astype(str)
    named = rows.assign(layer_head=heads, model=mark + rows["seed"].astype(str))
    return named.pivot_table(index="model", columns="layer_head", values="value", aggfunc="mean")


def compositions(evidence: Evidence, runs: Sequence[str]) -> Plot:
    """How much later heads read of what earlier ones write, computed from weights, through each input."""
    inputs = {"q": "Q composition", "k": "K composition", "v": "V composition", "trace": "QK trace, through K"}
    last = evidence.last
    rows = last[(last["probe"] == "composition") & last["run"].isin(list(runs))]
    rows = rows[rows["control"].isin(["none", "untrained"])]
    which = rows["to_input"].where(rows["metric"] == "composition", "trace")
    data = rows[["run", "control", "seed", "layer", "head", "to_layer", "to_head", "value"]].assign(through=which)

    def draw() -> Figure:
        figure, panels = grid(len(runs), len(inputs), 3.0, 2.8)
        for row, run in enumerate(runs):
            for column, (through, label) in enumerate(inputs.items()):
                axes = panels[row * len(inputs) + column]
                image = _pairs_image(data[(data["run"] == run) & (data["through"] == through)])
                if image.empty:
                    nothing_to_draw(axes, f"{run}: {label}\nnot measured")
                    continue
                trace = through == "trace"
                sns.heatmap(
                    image.round(2) + 0.0, cmap="vlag" if trace else "rocket_r", vmin=-1 if trace else 0,
                    vmax=1 if trace else 0.4, annot=image.size <= 60, fmt=".2f", ax=axes, cbar=False,
                    annot_kws={"fontsize": 7},
                )  # fmt: skip
                axes.set(xlabel="earlier to later head", ylabel="", title=f"{run}: {label}" if not column else label)
                axes.tick_params(axis="y", rotation=0)
                axes.tick_params(axis="x", rotation=30)
            panels[row * len(inputs)].set_ylabel("seed (u: untrained)")
        return figure

    return Plot(
        "composition",
        "Which heads are composed, by their weights",
        "Composition is the norm of a product relative to the product of norms: random weights give about "
        "1/sqrt(d_model). The QK trace is 1 where a later head's queries match its keys token for token when the keys "
        "come through an earlier head, as in an induction head after a previous-token head.",
        "No more K composition than in untrained models, or a trace near 0.",
        draw,
        data,
    )


def _pairs_image(rows: pd.DataFrame) -> pd.DataFrame:
    """Values by seed and pair of heads; untrained models are marked by u."""
    layer, head, to_layer, to_head = (rows[name].astype(str) for name in ("layer", "head", "to_layer", "to_head"))
    seed = rows["seed"].astype(str)
    named = rows.assign(
        pair=layer + "." + head + " to " + to_layer + "." + to_head,
        model=seed.where(rows["control"] == "none", "u" + seed),
    )
    return named.pivot_table(index="model", columns="pair", values="value", sort=True)


def attention(evidence: Evidence, runs: Sequence[str], about: str) -> Plot:
    """The attention of every head of each run's first seed on one prompt, which `about` describes."""
    # `induction_scores` stores the attention on repeated tokens as `pattern`. Where it was not measured, the figure
    # shows what `head_attribution` stores as `attention`: that on a prompt of the task.
    name = "pattern" if any(key.name == "pattern" for key in evidence.arrays) else "attention"
    keys = {run: find_array(evidence.arrays, name, run=run) for run in runs}
    patterns = {run: evidence.arrays[key] for run, key in keys.items() if key is not None}
    columns = ["run", "layer", "head", "query_pos", "key_pos", "pattern"]
    rows = [
        dict(zip(columns, (run, layer, head, q, k, float(array[layer, head, q, k])), strict=True))
        for run, array in patterns.items()
        for layer, head, q, k in np.ndindex(*array.shape)
        if k <= q or array[layer, head, q, k]
    ]
    return Plot(
        "attention",
        "Attention of every head on one prompt (first seed)",
        f"Each row is a query position, each column a key position; {about}",
        "Attention that has nothing to do with what a head is said to read.",
        lambda: _draw_attention(patterns),
        pd.DataFrame(rows, columns=columns),
    )


def _draw_attention(patterns: Mapping[str, np.ndarray]) -> Figure:
    most = max((array.shape[0] * array.shape[1] for array in patterns.values()), default=1)
    figure, panels = grid(max(len(patterns), 1), most, 2.7, 2.7)
    for axes in panels:
        axes.set_axis_off()
    for row, (run, array) in enumerate(patterns.items()):
        limit = float(np.abs(array).max())
        for column, (layer, head) in enumerate(np.ndindex(*array.shape[:2])):
            axes = panels[row * most + column]
            axes.set_axis_on()
            axes.grid(visible=False)
            image = array[layer, head]
            colours = ("vlag", -limit, limit) if float(image.min()) < 0 else ("rocket_r", 0, 1)
            axes.imshow(image, cmap=colours[0], vmin=colours[1], vmax=colours[2])
            axes.set(title=f"{run}: layer {layer} head {head}", xlabel="key position")
            axes.title.set_fontsize(8)
            for side in (axes.xaxis, axes.yaxis):
                side.set_major_locator(MaxNLocator(integer=True, nbins=5))
        panels[row * most].set_ylabel("query position")
    return figure
