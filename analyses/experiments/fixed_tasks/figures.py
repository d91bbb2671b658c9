"""Losses on the tasks that a model was trained on, and on fresh ones."""

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analyses.claims.tables import relative_curves, shares_of_zero
from analyses.evidence import Evidence
from analyses.plots.plot import Plot
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
        fewest = min(layers.values())
        losses_by_title = {
            "linear self-attention": data[data["model"] == "layer"],
            f"the same, without {fewest}": data[(data["model"] == "layer") & (data["tasks"] > fewest)],
            "linear self-attention and MLP": data[data["model"] == "block"],
        }
        for axes, (title, losses) in zip(panels, losses_by_title.items(), strict=True):
            _trained_and_fresh(axes, losses.sort_values("tasks"))
            axes.set_title(title)
        # Both panels with small differences have the same scale.
        low, high = (pick(axes.get_ylim()[end] for axes in panels[1:]) for end, pick in ((0, min), (1, max)))
        for axes in panels[1:]:
            axes.set_ylim(low, high)
        panels[0].set_ylabel("loss / tuned GD's loss")
        legend(figure, panels[0])
        return figure

    return Plot(
        "over-tasks",
        "Trained and fresh teachers",
        "Every point is a seed; a task is a teacher. The more teachers, the nearer the two losses. With 128 teachers a "
        "layer's losses differ by a few per cent, as those of the best preconditioned step for these teachers do; with "
        "8192 they agree. Eight teachers do not span the ten dimensions: the layer uses this, and fails on others.",
        "With 128 teachers, a loss on trained teachers far below gradient descent's: the layer would have memorised "
        "them. With 8192 teachers, a loss on fresh teachers above gradient descent's.",
        draw,
        data,
    )


def over_sets(ratios: pd.DataFrame, sets: Mapping[str, int]) -> Plot:
    """Losses in units of gradient descent's over the size of a fixed set of training prompts."""
    data = ratios[ratios["run"].isin(list(sets)) & (ratios["control"] == "none")].copy()
    data["tasks"] = data["run"].map(sets)

    def draw() -> Figure:
        figure, (axes,) = grid(1, 1, 4.2, 3.0)
        _trained_and_fresh(axes, data.sort_values("tasks"), of="prompts")
        axes.set(yscale="log", xlabel="training prompts", ylabel="loss / tuned GD's loss")
        legend(figure, axes)
        return figure

    return Plot(
        "over-sets",
        "A fixed set of prompts",
        "Every point is a seed of a layer; all steps use the same prompts, inputs too. With few prompts the layer fits "
        "them and fails on fresh ones; the more there are, the nearer both losses come to gradient descent's.",
        "With 8192 prompts, a loss on fresh prompts above gradient descent's; with 128, one that is near it.",
        draw,
        data,
    )


def trained_and_tested(evidence: Evidence, runs: Sequence[str]) -> Plot:
    """Training losses and held-out losses over training, in units of predict-zero's."""
    data = relative_curves(evidence.curves)[["run", "seed", "step", "train_loss", "held_out_loss", "share"]]
    data = data[data["run"].isin(runs)]
    # The same unit for both.
    data = data.assign(train_share=data["train_loss"] / data["held_out_loss"] * data["share"])

    def draw() -> Figure:
        figure, panels = grid(-(-len(runs) // 3), 3, 3.0, 2.4)
        for axes in panels[len(runs) :]:
            axes.set_axis_off()
        for index, (axes, run) in enumerate(zip(panels, runs, strict=False)):
            of_run = data[(data["run"] == run) & (data["step"] > 0)]
            seed_lines(axes, of_run, "model", y="train_share", label="training prompts", linewidth=0.9)
            seed_lines(axes, of_run, "fresh_teachers", y="share", label="held-out prompts", linewidth=0.9)
            axes.set(xscale="log", yscale="log", xlim=(40, None), title=run)
            if index % 3 == 0:
                axes.set_ylabel("loss / predict-zero's")
            if index >= len(runs) - 3:
                axes.set_xlabel("training step")
        legend(figure, panels[0])
        return figure

    return Plot(
        "sets-training",
        "Training on a fixed set of prompts",
        "Every line is a seed. Held-out prompts are fresh; in the last panel training inputs are fresh too. Grokking "
        "would be a held-out loss that falls long after the training loss.",
        "Held-out losses that fall together with the training losses.",
        draw,
        data,
    )


def _trained_and_fresh(axes: Axes, losses: pd.DataFrame, of: str = "teachers") -> None:
    """Losses on trained and on fresh teachers, slightly to the left and right since from many tasks on they agree."""
    for name, column, shift in (("model", "trained", 0.92), ("fresh_teachers", "fresh", 1.09)):
        look = look_of(name)
        label = f"on trained {of}" if name == "model" else f"on fresh {of}"
        axes.scatter(losses["tasks"] * shift, losses[column], s=16, color=look.colour, label=label, zorder=3)
        mean = losses.groupby("tasks")[column].mean()
        axes.plot(mean.index * shift, mean, color=look.colour, linewidth=0.9)
    reference_line(axes, 1.0, "gd")
    axes.set(xscale="log", xlabel="training tasks")
    counts = sorted(set(losses["tasks"]))
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.minorticks_off()


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
            for learner in ("gd", "zero"):
                reference_line(axes, level[level["run"] == run][learner].mean(), learner)
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
        "descent; only with eight teachers does the loss fall clearly below it.",
        "A loss that is still falling at the end, or a second drop to a solution that stores the teachers.",
        draw,
        data,
    )
