"""Training of model and learner on sine curves, their predictions along x, and where they differ."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from analyses.claims.tables import losses
from analyses.evidence import Evidence
from analyses.experiments.sine.claims import RIVAL
from analyses.plots.plot import Plot
from analyses.plots.seed_lines import mean_line, reference_line, seed_lines
from analyses.plots.style import HALF, grid, legend, look_of
from probes.readings.arrays import find_array


def training(evidence: Evidence, model: str, learner: str) -> Plot:
    """Held-out losses of every seed of the model and of the learner."""
    data = evidence.curves[["run", "seed", "step", "held_out_loss"]]
    rows = evidence.rows
    zero = rows[(rows["probe"] == "gd_alignment") & (rows["learner"] == "zero")]["value"].mean()

    def draw() -> Figure:
        figure, (axes,) = grid(1, 1, 6.2, 3.4)
        for run, look in ((model, "model"), (learner, RIVAL)):
            seed_lines(axes, data[data["run"] == run], look, y="held_out_loss")
        reference_line(axes, zero, "zero")
        axes.set(xlabel="training step", ylabel=f"held-out loss\n({HALF})", yscale="log", xlim=(0, None))
        legend(figure, axes, columns=2)
        return figure

    return Plot(
        "training",
        "Training of the model and of the learner",
        "Each line is a seed. All losses fall from predict-zero's and should end at the same level, the best that one "
        "sum over the examples can do. The learner trains only its embedding and MLP, the model its attention as well. "
        "They jump while the learning rate is constant. Once a seed has settled, the rate falls to zero.",
        "Two levels at the end: one of the two is not trained to the end, or has learnt what the other cannot.",
        draw,
        data,
    )


def curves(evidence: Evidence, run: str) -> Plot:
    """The predictions of the first seed's model and learner along x for a few contexts, with the true curve."""
    curves_by_name = _of_first_seed(evidence, run)
    lines = ("target", "model", RIVAL)
    frames = [
        pd.DataFrame({"prompt": k, "kind": name, "x": curves_by_name[at][k], "y": curves_by_name[name][k]})
        for k in range(len(curves_by_name.get("query", ())))
        for name, at in (*((line, "query") for line in lines), ("context_y", "context_x"))
    ]
    columns = ["prompt", "kind", "x", "y"]
    data = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)
    styles: dict[str, dict[str, Any]] = {
        "target": {"color": look_of("zero").colour, "linestyle": look_of("zero").line, "label": "the curve itself"},
        "model": {"color": look_of("model").colour, "label": "trained model"},
        RIVAL: {"color": look_of(RIVAL).colour, "linestyle": look_of(RIVAL).line, "label": look_of(RIVAL).label},
    }

    def draw() -> Figure:
        count = max(data["prompt"].nunique(), 1)
        figure, panels = grid(1, count, 2.7, 2.8)
        for axes, (_, of_prompt) in zip(panels, data.groupby("prompt"), strict=False):
            for name, style in styles.items():
                line = of_prompt[of_prompt["kind"] == name]
                axes.plot(line["x"], line["y"], linewidth=1.4, **style)
            points = of_prompt[of_prompt["kind"] == "context_y"]
            axes.scatter(points["x"], points["y"], s=16, color="black", label="context", zorder=3)
            axes.set(xlabel="x", ylim=(-0.65, 0.65))
        panels[0].set_ylabel("prediction")
        legend(figure, panels[0])
        return figure

    return Plot(
        "curves",
        "What model and learner draw through a context",
        "Four prompts of the first seed: ten points, the curve they were drawn from, and the two predictions along x. "
        "Where the predictions leave the curve they should leave it together.",
        "The two predictions on different sides of the curve: each would then approximate it in a different way.",
        draw,
        data,
    )


def shifts(evidence: Evidence, run: str) -> Plot:
    """Losses, and the distance of model and learner, on shifted prompts."""
    last = evidence.last
    rows = last[(last["run"] == run) & (last["control"] == "none") & (last["probe"] == "out_of_distribution")]
    keys = ["condition", "condition_value", "seed"]
    distances = rows[rows["metric"] == "relative_distance"].set_index(keys)["value"].rename("distance")
    data = losses(rows, "out_of_distribution", *keys).join(distances).reset_index()
    labels = {
        "input_scale": "input range (factor)",
        "amplitude_scale": "amplitude range (factor)",
        "phase_shift": "phase shift (radians)",
    }

    def draw() -> Figure:
        figure, panels = grid(2, 3, 2.9, 2.4)
        for column, (condition, label) in enumerate(labels.items()):
            upper, lower = panels[column], panels[column + 3]
            shifted = data[data["condition"] == condition].sort_values("condition_value")
            for name in ("model", RIVAL):
                seed_lines(upper, shifted, name, x="condition_value", y=name)
            seed_lines(lower, shifted, "model", x="condition_value", y="distance", marker="o", markersize=3)
            mean_line(upper, shifted, "zero", x="condition_value", y="zero")
            upper.set(yscale="log", ylim=(5e-4, None))
            upper.yaxis.set_minor_formatter(NullFormatter())
            lower.set(xlabel=label, ylim=(0, None))
            for axes in (upper, lower):
                # In training the factor is 1 and the phase shift 0.
                axes.axvline(0.0 if condition == "phase_shift" else 1.0, color="0.45", linewidth=1.2, zorder=1)
        panels[0].set_ylabel(f"loss\n({HALF})")
        panels[3].set_ylabel("|f - g| / |g|")
        legend(figure, panels[0])
        return figure

    return Plot(
        "shifts",
        "Out of distribution",
        "Each line is a seed. Above, the losses of model and learner, compared with predicting zero; below, the "
        "distance between their predictions. The vertical grey line is the training range.",
        "Losses that differ beyond the training range, or a distance that grows towards 1: equal predictions in "
        "distribution would then have come from different features.",
        draw,
        data,
    )


def _of_first_seed(evidence: Evidence, run: str) -> dict[str, np.ndarray]:
    """The arrays of `curves` by name; empty where the probe was not run."""
    first = find_array(evidence.arrays, "context_x", run=run)
    return {key.name: array for key, array in evidence.arrays.items() if first == key._replace(name="context_x")}
