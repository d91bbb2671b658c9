"""Curvature corrections by context length, and their effect on the spectrum."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analyses.evidence import Evidence
from analyses.plots.plot import Plot
from analyses.plots.style import grid, legend, look_of
from probes.readings.arrays import find_array


def gammas(evidence: Evidence, runs: Mapping[int, str], published: Mapping[int, float]) -> Plot:
    """The first layer's gamma, from the residual stream and the weights, compared with tuned GD++'s and the paper's."""
    rows = evidence.last
    rows = rows[(rows["probe"] == "curvature") & (rows["metric"] == "gamma") & (rows["layer"] == 0)]
    contexts = {run: count for count, run in runs.items()}
    rows = rows[rows["control"].isin(["none", "constructed"])].assign(context=rows["run"].map(contexts))
    data = rows[["control", "source", "context", "seed", "value"]].astype({"context": int})

    def draw() -> Figure:
        figure, (axes,) = grid(1, 1, 5.2, 3.6)
        kinds = {
            ("none", "residual"): ("o", look_of("model").colour, "trained, from the residual stream", 0.94),
            ("none", "weights"): ("s", look_of("interpolated").colour, "trained, from the weights", 1.06),
        }
        for (control, source), (marker, colour, label, shift) in kinds.items():
            points = data[(data["control"] == control) & (data["source"] == source)]
            axes.scatter(points["context"] * shift, points["value"], s=16, marker=marker, color=colour, label=label)
        tuned = data[(data["control"] == "constructed") & (data["source"] == "weights")]
        mean = tuned.groupby("context")["value"].mean()
        axes.plot(mean.index, mean, color=look_of("gd_plus_plus").colour, linestyle="-.", label="GD++, tuned")
        axes.scatter(list(published), list(published.values()), s=60, marker="x", color="0.2", label="the paper's")
        axes.set(xscale="log", yscale="log", xlabel="context length N", ylabel="gamma of the first layer")
        axes.set_xticks(list(runs), [str(count) for count in runs])
        axes.set_xticks([], minor=True)
        legend(figure, axes, columns=2)
        return figure

    return Plot(
        "gammas",
        "The learned correction by context length",
        "Every point is a seed; gamma is measured from the residual stream (left of its N) and from the weights "
        "(right). The points should lie on the line of GD++ tuned for the loss, and on the paper's crosses.",
        "Points off the line, or two points of a seed that differ: the layer would then not change x by one multiple "
        "of S.",
        draw,
        data,
    )


def spectra(evidence: Evidence, runs: Mapping[int, str]) -> Plot:
    """Eigenvalues of S after the first layer against those before, one seed, compared with l (1 - gamma l)^2."""
    by_context = {count: _eigenvalues(evidence, run) for count, run in runs.items()}
    frames = [
        pd.DataFrame({"context": count, **{name: array.flatten() for name, array in arrays.items()}})
        for count, arrays in by_context.items()
    ]
    data = pd.concat(frames, ignore_index=True)

    def draw() -> Figure:
        figure, panels = grid(1, len(runs), 2.9, 3.1)
        for axes, count in zip(panels, runs, strict=True):
            spectrum = data[data["context"] == count].sort_values("before")
            before, model, learner, no_change = spectrum["before"], *map(look_of, ("model", "gd_plus_plus", "gd"))
            axes.scatter(before, spectrum["after"], s=4, alpha=0.4, color=model.colour, label="trained model")
            label = "l (1 - gamma l)^2, gamma as measured"
            axes.plot(before, spectrum["predicted"], color=learner.colour, linestyle="-.", label=label)
            top = float(before.max()) if len(spectrum) else 1.0
            label = "plain gradient descent: no change"
            axes.plot([0, top], [0, top], color=no_change.colour, linestyle="--", label=label)
            high = float(spectrum["after"].max()) if len(spectrum) else 1.0
            axes.set(title=f"N = {count}", xlabel="eigenvalue l before", ylim=(0, 1.4 * high), xlim=(0, None))
        panels[0].set_ylabel("v^T S v after the first layer")
        legend(figure, panels[0], columns=3)
        return figure

    return Plot(
        "spectra",
        "What the first layer does to the spectrum of S",
        "Each point is an eigenvector v of S = sum_i x_i x_i^T of one prompt, in the first seed: its eigenvalue before "
        "the layer, and v^T S v after it. Large eigenvalues shrink and small ones stay, along the curve of GD++.",
        "Points along the diagonal, where plain gradient descent leaves them, or scattered about the curve.",
        draw,
        data,
    )


def conditions(evidence: Evidence, runs: Mapping[int, str]) -> Plot:
    """The median condition number of S before and after the first layer, and as predicted."""
    rows = evidence.last
    rows = rows[(rows["probe"] == "curvature") & (rows["layer"] == 0) & (rows["control"] == "none")]
    names = {
        "condition_number_before": ("before the first layer", look_of("gd").colour, "D"),
        "condition_number_after": ("after the first layer", look_of("model").colour, "o"),
        "condition_number_predicted": ("predicted: GD++ with the measured gamma", look_of("gd_plus_plus").colour, "x"),
    }
    contexts = {run: count for count, run in runs.items()}
    rows = rows[rows["metric"].isin(names)].assign(context=rows["run"].map(contexts))
    data = rows[["metric", "context", "seed", "value"]].astype({"context": int})

    def draw() -> Figure:
        figure, (axes,) = grid(1, 1, 5.6, 3.4)
        for metric, (label, colour, marker) in names.items():
            points = data[data["metric"] == metric]
            axes.scatter(points["context"], points["value"], s=24, color=colour, marker=marker, label=label)
        axes.set(xscale="log", yscale="log", xlabel="context length N", ylabel="condition number of S, median")
        axes.set_xticks(list(runs), [str(count) for count in runs])
        axes.set_xticks([], minor=True)
        legend(figure, axes, columns=2)
        return figure

    return Plot(
        "conditions",
        "Condition numbers",
        "The median over prompts of the largest eigenvalue of S divided by the smallest; every point is a seed. The "
        "first layer reduces it at every context length, by as much as GD++ does.",
        "Points after the layer as high as before it.",
        draw,
        data,
    )


def _eigenvalues(evidence: Evidence, run: str) -> dict[str, np.ndarray]:
    """Eigenvalues before, after and predicted, (prompt d_in), of the first layer and seed; empty without arrays."""
    names = {name: f"eigenvalues_{name}" for name in ("before", "after", "predicted")}
    key = find_array(evidence.arrays, names["before"], run=run)
    if key is None:
        return {kind: np.empty(0) for kind in names}
    return {kind: evidence.arrays[key._replace(name=name)][0] for kind, name in names.items()}
