"""Figures of models of regression: the rules, training, alignment with learners, and repeated application."""

import math
from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analyses.claims.outcome import interval
from analyses.claims.tables import losses
from analyses.claims.verdict import Verdict
from analyses.evidence import Evidence
from analyses.plots.plot import Plot
from analyses.plots.seed_lines import SOLID_DOTS, mean_line, reference_line, seed_lines, step_axis
from analyses.plots.style import HALF, grid, legend, log_steps, look_of
from probes.readings.selection import select

# Scores beyond these limits are drawn at them; the axis is logarithmic and has no zero.
_LOWEST, _HIGHEST = 0.005, 2e3
# Subjects with a fixed height in a claim's row, from the top.
_ROW_ORDER = (
    "model",
    "identified_only",
    "constructed",
    "constructed_preconditioned",
    "untrained",
    "shuffled_labels",
)


def scores(verdicts: Sequence[Verdict]) -> Plot:
    """Every claim's rule on the model and on its controls, in units of what the rule allows."""
    rows = [
        {
            "claim": verdict.claim.id,
            "measure": measure.label,
            "subject": subject,
            "seed": seed,
            "value": value,
            "score": measure.score(value),
        }
        for verdict in verdicts
        for subject, outcome in {"model": verdict.outcome, **verdict.controls}.items()
        for measure in verdict.claim.measures
        for seed, value in outcome.values[measure.label].items()
    ]
    data = pd.DataFrame(rows, columns=["claim", "measure", "subject", "seed", "value", "score"])
    return Plot(
        "claims",
        "Each rule, on the model and on its controls",
        "Every point is a seed. The trained model's circles should lie in the grey region, where the rule is met; "
        "so should the constructed weights' diamonds.",
        "A near miss or negative control in the grey region: the rule cannot tell the model from it, and the "
        "claim does not hold.",
        lambda: _draw_scores(data),
        data,
    )


def _draw_scores(data: pd.DataFrame) -> Figure:
    # One point a seed: the measure with the largest score decides whether the rule is met.
    worst = data.groupby(["claim", "subject", "seed"], sort=False)["score"].apply(_deciding_score).reset_index()
    claims = list(dict.fromkeys(data["claim"]))
    figure, (axes,) = grid(1, 1, 8.2, 0.45 * len(claims) + 1.6)
    axes.axvspan(_LOWEST, 1, color="0.93", zorder=0)
    axes.axvline(1, color="0.2", linewidth=1)
    subjects = list(dict.fromkeys(worst["subject"]))
    for subject in subjects:
        _points(axes, worst[worst["subject"] == subject], subject, claims, _offset(subject, subjects))
    axes.set_xscale("log")
    axes.set(xlim=(0.004, 3e3), yticks=range(len(claims)), ylim=(len(claims) - 0.5, -0.5))
    axes.set_yticklabels(claims)
    axes.set_xlabel(
        "measured / allowed: the rule is met left of 1\n"
        "(numbers beyond the axis are drawn at its ends; an undefined number has no point)"
    )
    legend(figure, axes, columns=3)
    return figure


def _deciding_score(scores: pd.Series) -> float:
    """The largest score; NaN where a measure is not defined and no other is broken."""
    largest = float(scores.max())
    return math.nan if scores.isna().any() and not largest > 1 else largest


def _points(axes: Axes, worst: pd.DataFrame, subject: str, claims: Sequence[str], offset: float) -> None:
    """The seeds of one subject, a row for each claim."""
    look = look_of(subject)
    axes.scatter(
        worst["score"].clip(_LOWEST, _HIGHEST),
        worst["claim"].map(claims.index) + offset,
        s=26,
        color=look.colour,
        marker=look.marker,
        label="trained model" if subject == "model" else look.label,
        edgecolor="white",
        linewidth=0.4,
        zorder=3,
    )


def _offset(subject: str, subjects: Sequence[str]) -> float:
    """How far above or below the middle of its row a subject is drawn."""
    # Controls of one analysis alone take the heights of those in _ROW_ORDER that it does not have.
    count = len(_ROW_ORDER)
    free = [index for index in range(count + 1) if index >= count or _ROW_ORDER[index] not in subjects]
    own_controls = [name for name in subjects if name not in _ROW_ORDER]
    if subject in _ROW_ORDER:
        index = _ROW_ORDER.index(subject)
    else:
        index = free[min(own_controls.index(subject), len(free) - 1)]
    return 0.1 * index - 0.3


def learning_curves(evidence: Evidence) -> Plot:
    """Held-out and training loss of every seed of every run, compared with the learners."""
    data = evidence.curves
    runs = list(evidence.runs)
    reference = _references(evidence)

    def draw() -> Figure:
        # The legend of a single panel needs more width than the panel.
        figure, panels = grid(1, len(runs), 4.1 if len(runs) > 1 else 6.0, 3.2)
        for axes, run in zip(panels, runs, strict=True):
            of_run = data[(data["run"] == run) & (data["step"] > 0)]
            seed_lines(
                axes, of_run, "model", y="train_loss", label="train, each seed", color="0.8", linewidth=0.6, zorder=1
            )
            seed_lines(axes, of_run, "model", y="held_out_loss", label="held out, each seed", alpha=0.8)
            for learner, loss in reference[run].items():
                reference_line(axes, loss, learner)
            axes.set(ylabel=f"loss ({HALF})", title=run, ylim=(0, None))
            log_steps(axes)
        legend(figure, panels[0], columns=3 if len(runs) > 1 else 2)
        return figure

    return Plot(
        "learning-curves",
        "Training",
        "The held-out loss of every seed falls from predicting zero to the dashed line of one tuned step of gradient "
        "descent; on anisotropic inputs it falls through that line to preconditioned gradient descent.",
        "A loss that stays above the dashed line (something worse was learnt), or falls below it on isotropic inputs "
        "(something better), or that is still falling at the end.",
        draw,
        data,
    )


def alignment(evidence: Evidence, run: str, learner: str) -> Plot:
    """Agreement with a learner over training, every seed, compared with the controls."""
    rows = evidence.rows
    panels_of = {
        "sensitivity_cosine": "sensitivity cosine",
        "prediction_difference": "mean |f - g|",
        "sensitivity_difference": "mean L2 distance\nof the sensitivities",
    }
    rows = select(rows[rows["metric"].isin(panels_of)], run=run, learner=learner, layer=None)
    data = rows[rows["learner_step"] == rows["learner_step"].max()][["control", "metric", "seed", "step", "value"]]

    def draw() -> Figure:
        figure, panels = grid(1, 3, 3.2, 3.1)
        for axes, (metric, label) in zip(panels, panels_of.items(), strict=True):
            values = data[data["metric"] == metric]
            seed_lines(axes, values[values["control"] == "none"], "model", **SOLID_DOTS)
            for control in ("untrained", "shuffled_labels", "constructed"):
                of_control = values[values["control"] == control]["value"]
                if len(of_control):
                    reference_line(axes, float(of_control.mean()), control)
            step_axis(axes)
            axes.set_ylabel(label)
        legend(figure, panels[0])
        return figure

    return Plot(
        f"alignment-{run}",
        f"Alignment with gradient descent over training ({run})",
        "Each line is a seed. The cosine rises to 1, and both differences fall to those of the constructed step. The "
        "cosine alone would hide a wrong scale.",
        "Untrained weights, or a model that is shown shuffled labels, reaching the same level: then the measure would "
        "see agreement where there is none.",
        draw,
        data,
    )


def refutation(evidence: Evidence, run: str) -> Plot:
    """The trained negative: alignment with plain and with preconditioned gradient descent, and the losses."""
    rows = evidence.rows
    of_model = rows[(rows["run"] == run) & (rows["control"] == "none") & (rows["probe"] == "gd_alignment")]
    cosine = of_model[of_model["metric"] == "sensitivity_cosine"]
    data = of_model[of_model["metric"].isin(["sensitivity_cosine", "loss", "learner_loss"])]
    data = data[["metric", "learner", "seed", "step", "value"]]

    def draw() -> Figure:
        figure, (left, right) = grid(1, 2, 4.1, 3.6)
        for learner in ("gd", "preconditioned_gd"):
            name = f"cosine to {look_of(learner).label}"
            seed_lines(left, cosine[cosine["learner"] == learner], learner, label=name, **SOLID_DOTS)
        left.axhline(0.8, color="0.2", linewidth=0.8)
        left.text(0, 0.81, "bound of the rule: plain GD below", fontsize=7, va="bottom")
        left.set(ylabel="sensitivity cosine", ylim=(-0.2, 1.05))
        seed_lines(right, of_model[of_model["metric"] == "loss"], "model", **SOLID_DOTS)
        for learner in ("gd", "preconditioned_gd", "zero"):
            value = of_model[(of_model["metric"] == "learner_loss") & (of_model["learner"] == learner)]["value"].mean()
            reference_line(right, value, learner)
        right.set(ylabel=f"loss ({HALF})", ylim=(0, None))
        for axes in (left, right):
            step_axis(axes)
        legend(figure, left, right, columns=2)
        return figure

    return Plot(
        f"refutation-{run}",
        "The trained negative: where plain gradient descent is the wrong answer",
        "The same layer on inputs of which half the coordinates are four times narrower. Early on the cosine to plain "
        "gradient descent may rise, as the wide coordinates come first; then it falls, that to preconditioned gradient "
        "descent goes to 1, and the loss passes plain GD's. The rule is applied at the end.",
        "A cosine to plain gradient descent near 1 at the end: the measure would then find gradient descent anywhere.",
        draw,
        data,
    )


def rollout(evidence: Evidence, run: str) -> Plot:
    """Losses of repeated application, of the model and of gradient descent."""
    last = evidence.last
    data = losses(select(last, run=run, control="none"), "rollout", "damping", "applications", "seed")
    of_identified = select(last, run=run, control="identified_only")
    if len(of_identified):
        identified = losses(of_identified, "rollout", "damping", "applications", "seed")["model"]
        data = data.assign(identified_only=identified)
    data = data.reset_index()

    def draw() -> Figure:
        dampings = sorted(data["damping"].unique(), reverse=True)
        figure, panels = grid(1, max(len(dampings), 1), 3.1, 3.0)
        for axes, damping in zip(panels, dampings, strict=False):
            damped = data[data["damping"] == damping]
            for name in ("model", "identified_only"):
                if name in damped:
                    seed_lines(axes, damped, name, x="applications", y=name, alpha=0.7)
            mean_line(axes, damped, "gd", x="applications", y="gd", label="gradient descent, mean")
            axes.set(xlabel="applications of the layer", title=f"damping {damping:g}", yscale="log")
        panels[0].set_ylabel(f"loss ({HALF})")
        legend(figure, panels[0])
        return figure

    return Plot(
        "rollout",
        "The layer applied again and again",
        "Each line is a seed; the dashed line is gradient descent with the step size tuned for one step, damped alike. "
        "At damping 0.75 both descend together; at 1 the steps are too large for some prompts, for both. One step "
        "does not depend on the row of A for the query's y. That row keeps its initial values, but acts in later "
        "steps. Dotted: the models with all unidentified entries set to zero. A rare prompt near the limit of "
        "stability can move a whole line.",
        "A model that stops descending, or diverges, where gradient descent does not: its one step could then not be "
        "repeated.",
        draw,
        data,
    )


def _references(evidence: Evidence) -> dict[str, dict[str, float]]:
    rows = evidence.rows
    rows = rows[(rows["probe"] == "gd_alignment") & (rows["metric"] == "learner_loss") & (rows["control"] == "none")]
    last = rows.groupby(["run", "learner"])["learner_step"].transform("max")
    rows = rows[rows["learner_step"].isna() | (rows["learner_step"] == last)]
    means: dict[str, dict[str, float]] = {run: {} for run in evidence.runs}
    for (run, learner), of_learner in rows.groupby(["run", "learner"]):
        means[str(run)][str(learner)] = interval(of_learner["value"].to_numpy())[0]
    return means
