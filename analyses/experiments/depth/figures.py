"""What deep models do layer by layer, compared with the steps of learners."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from analyses.evidence import Evidence
from analyses.plots.plot import Plot
from analyses.plots.seed_lines import LineStyle, seed_lines
from analyses.plots.style import HALF, grid, legend, look_of, whole_numbers


def by_layer(evidence: Evidence, rivals: Mapping[str, str]) -> Plot:
    """Each run's loss decoded after every layer, learners' after as many steps, and the cosines to both."""
    rows = evidence.last
    rows = rows[(rows["probe"] == "gd_alignment") & (rows["control"] == "none")]
    rows = rows[rows["learner"].fillna("model") != "zero"]
    rows = rows[rows["run"].isin(rivals)]
    model = rows[(rows["metric"] == "loss") & rows["layer"].notna()]
    steps = rows[(rows["metric"] == "learner_loss")]
    cosines = rows[(rows["metric"] == "sensitivity_cosine") & rows["layer"].notna()]
    columns = ["run", "metric", "learner", "learner_step", "layer", "seed", "value"]
    data = rows[rows.index.isin([*model.index, *steps.index, *cosines.index])][columns]

    def draw() -> Figure:
        figure, panels = grid(2, len(rivals), 3.9, 2.7)
        for column, (run, rival) in enumerate(rivals.items()):
            top, bottom = panels[column], panels[len(rivals) + column]
            dots: LineStyle = {"marker": "o", "markersize": 3, "alpha": 0.8}
            after = model[model["run"] == run]
            seed_lines(top, after.assign(number=after["layer"] + 1), "model", x="number", **dots)
            for learner in ("gd", rival):
                of_learner = steps[(steps["run"] == run) & (steps["learner"] == learner)]
                mean = of_learner.groupby("learner_step")["value"].mean()
                style = {"color": look_of(learner).colour, "linestyle": look_of(learner).line}
                top.plot(mean.index.astype(int), mean, label=look_of(learner).label, **style)
                to_learner = cosines[(cosines["run"] == run) & (cosines["learner"] == learner)]
                seed_lines(bottom, to_learner.assign(number=to_learner["layer"] + 1), learner, x="number", **dots)
            top.set(yscale="log", title=run)
            lowest = min(0.0, float(cosines["value"].min()) - 0.02)
            bottom.set(xlabel="layer, and step of the learner", ylim=(lowest, 1.02))
            whole_numbers(top)
            whole_numbers(bottom)
        panels[0].set_ylabel(f"loss after it ({HALF})")
        panels[len(rivals)].set_ylabel("sensitivity cosine\nto the same step")
        legend(figure, *panels[: len(rivals)], columns=2)
        return figure

    return Plot(
        "layers",
        "Layer by layer",
        "Above, the loss of the prediction decoded after each layer, every seed a line, compared with the same step of "
        "each learner. Below, how the model's sensitivity after each layer aligns with gradient descent's (dashed) and "
        "with GD++'s (dash-dotted). GD++ is tuned for its last step alone: earlier steps may have a high loss, and a "
        "model that ends with GD++'s prediction may differ from it in earlier layers.",
        "A last layer whose loss is nearer to gradient descent's than to GD++'s.",
        draw,
        data,
    )


def gammas(evidence: Evidence, runs: Sequence[str]) -> Plot:
    """Each layer's gamma and step size, read off the residual stream, compared with tuned GD++'s."""
    rows = evidence.last
    rows = rows[(rows["probe"] == "curvature") & (rows["source"] == "residual") & rows["run"].isin(runs)]
    data = rows[rows["metric"].isin(["gamma", "step_size"])].dropna(subset="value")
    data = data[["run", "metric", "control", "seed", "layer", "value"]]
    labels = {"gamma": "curvature correction gamma", "step_size": "step size eta / N"}

    def draw() -> Figure:
        figure, panels = grid(2, len(runs), 3.9, 2.6)
        for column, run in enumerate(runs):
            for row, metric in enumerate(labels):
                axes = panels[row * len(runs) + column]
                values = data[(data["run"] == run) & (data["metric"] == metric)]
                for control, name, label in (
                    ("none", "model", look_of("model").label),
                    ("constructed", "constructed", "GD++"),
                ):
                    of_control = values[values["control"] == control]
                    of_control = of_control.assign(number=of_control["layer"] + 1)
                    marks: LineStyle = {"marker": look_of(name).marker, "markersize": 4, "alpha": 0.7}
                    marks["linestyle"] = "-" if name == "model" else "--"
                    seed_lines(axes, of_control, name, x="number", label=label, **marks)
                axes.set_yscale("symlog", linthresh=0.1)
                whole_numbers(axes)
                if row == 0:
                    axes.set_title(run)
                else:
                    axes.set_xlabel("layer")
        for row, label in enumerate(labels.values()):
            panels[row * len(runs)].set_ylabel(label)
        legend(figure, panels[0])
        return figure

    return Plot(
        "gammas",
        "Curvature correction and step size of each layer",
        "Read off each layer's residual stream, every seed a line; dashed, those of GD++, tuned once for each seed. A "
        "correction leaves small eigenvalues, so that later layers can take larger steps; layers that share their "
        "weights cannot. The last layer's gamma does not change the prediction and is left out.",
        "Corrections near zero: the layers would then take plain gradient steps.",
        draw,
        data,
    )
