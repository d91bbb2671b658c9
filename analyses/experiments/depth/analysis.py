"""Five layers with weights of their own, and ten that share them, beside as many steps of GD++ ([VO] appendix A.10)."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from analyses.claims.analysis import Evidence, Plot, Size, sized
from analyses.claims.claim import Claim, Measure, Source, Verdict
from analyses.claims.measures.regression import alignment, log_position, loss, loss_ratio
from analyses.claims.tables import single_value
from analyses.experiments.depth import figures as depth_figures
from analyses.plots import regression as figures
from mesa.config.presets import preset
from mesa.config.schema import RunConfig
from mesa.learners import GradientDescent
from probes.activations.curvature import Curvature
from probes.behaviour.gd_alignment import GDAlignment
from probes.plan import Plan
from probes.reading import Reading
from probes.weights.interpolation import Interpolation

PAPER = "von Oswald et al. 2023, section 3 and appendix A.10"
FIVE, TEN = "five-layers", "ten-layers-tied"
RIVALS = {FIVE: "gd_plus_plus_per_step", TEN: "gd_plus_plus"}
CONTROLS = ("untrained", "shuffled_labels", "constructed_gd", "constructed")


class Depth:
    """Three seeds of five untied layers, and of ten tied ones."""

    name = "depth"
    title = "Deeper models: five layers, and ten that share their weights"
    question = (
        "Do deep models of linear self-attention take as many steps of GD++ as they have layers, with sizes for each "
        "step where the layers have weights of their own, and one for all where they share them?"
    )
    seeds = 3

    def runs(self, size: Size) -> dict[str, RunConfig]:
        """Smaller batches and fewer steps than the paper's; five layers then learn in time at twice its rate."""
        small = {FIVE: {"steps": 14_000, "batch": 512, "learning_rate": 1e-3}, TEN: {"steps": 10_000, "batch": 256}}
        paper = {FIVE: {"steps": 50_000, "batch": 2048, "learning_rate": 5e-4}, TEN: {"steps": 15_000, "batch": 2048}}
        return {name: sized(_with(preset(name), **small[name]), size, **paper[name]) for name in (FIVE, TEN)}

    def plans(self, size: Size) -> dict[str, list[Plan]]:
        """Alignment, layer by layer, and curvature at the last checkpoint."""
        prompts = 1000 if size.quick else 5000
        found = {}
        for name, steps in ((FIVE, 5), (TEN, 10)):
            rivals = (
                GradientDescent(steps=steps, clip=10.0),
                GradientDescent(gamma=0.0, steps=steps, shared=name == TEN, clip=10.0),
            )
            found[name] = [
                Plan(GDAlignment(prompts=prompts, learners=rivals), controls=CONTROLS, tune_once=True),
                Plan(Curvature(prompts=min(prompts, 2000)), controls=("constructed",)),
            ]
        # Only to say that it does not apply.
        found[FIVE].append(Plan(Interpolation(prompts=prompts), controls=()))
        return found

    def compared(self, evidence: Evidence) -> pd.DataFrame:
        """The loss of ten tied layers relative to that of five untied ones, on the same prompts."""
        rows = evidence.last
        rows = rows[rows["probe"] == "gd_alignment"]
        found: list[dict[str, Any]] = []
        for (seed, control), part in rows.groupby(["seed", "control"]):
            five, ten = (loss(part[part["run"] == name]) for name in (FIVE, TEN))
            place = {"run": TEN, "seed": seed, "control": control, "probe": "depths"}
            found.append({**place, "metric": "ten_to_five", "value": ten / five})
        return Reading.of(found).table

    def claims(self) -> tuple[Claim, ...]:
        """The seven rules, stated before anything is measured.

        Five tuned steps of gradient descent have a cosine of .89 to GD++'s and ten of .95, a relative distance of .47
        and .33: the bounds allow a model about a quarter of what lies between.
        """
        return (
            *_claims("five", FIVE, "Five layers with weights of their own", "a gamma and a step size for each", 0.97),
            *_claims("ten", TEN, "Ten layers that share their weights", "one gamma and step size for all", 0.985),
            Claim(
                "ten-behind-five",
                "Ten layers that share their weights do worse than five with weights of their own.",
                PAPER,
                "loss of ten tied layers at least 1.2 times that of five untied ones on the same prompts",
                (Measure("loss of ten / loss of five", "at least", 1.2, _ten_to_five, ideal=4.0),),
                Source(TEN),
                negative={name: Source(TEN, name) for name in ("untrained", "constructed_gd")},
                positive={"constructed": Source(TEN, "constructed")},
                beside=(FIVE,),
            ),
        )

    def plots(self, evidence: Evidence, verdicts: Sequence[Verdict]) -> Iterable[Plot]:
        """Verdicts at a glance, training, and what each layer does."""
        yield figures.scores(verdicts)
        yield replace(
            figures.learning_curves(evidence),
            look="The held-out loss of every seed, beside the tuned learners of as many steps. A few prompts with "
            "large eigenvalues, which a deep model throws far off, make up much of it: its level differs between "
            "batches.",
            against="Losses that stay at gradient descent's line, or still fall at the end.",
        )
        yield depth_figures.by_layer(evidence, RIVALS)
        yield depth_figures.gammas(evidence, (FIVE, TEN))


def _with(config: RunConfig, **training: Any) -> RunConfig:
    return config.model_copy(update={"training": config.training.model_copy(update=training)})


def _ten_to_five(rows: pd.DataFrame) -> float:
    return single_value(rows, probe="depths", metric="ten_to_five")


def _claims(short: str, run: str, who: str, sizes: str, cosine: float) -> tuple[Claim, ...]:
    rival = RIVALS[run]
    seen = {
        "subject": Source(run),
        "negative": {name: Source(run, name) for name in ("untrained", "shuffled_labels", "constructed_gd")},
        "positive": {"constructed": Source(run, "constructed")},
    }
    return (
        Claim(
            f"{short}-beat-gd",
            f"{who} do better than as many steps of gradient descent.",
            PAPER,
            "loss at most 0.85 of that of gradient descent with a tuned step size, on the same prompts",
            (Measure("loss / GD's loss", "at most", 0.85, loss_ratio("gd"), ideal=0.2),),
            **seen,
        ),
        Claim(
            f"{short}-loss",
            f"{who} match the loss of as many steps of GD++ with {sizes}, tuned.",
            PAPER,
            "loss, in logarithms, at most a quarter of the way from tuned GD++'s to tuned GD's",
            (Measure("log(loss / GD++'s) / log(GD's / GD++'s)", "at most", 0.25, log_position(rival, "gd")),),
            **seen,
        ),
        Claim(
            f"{short}-cosine",
            f"{who} react to their query as those steps of GD++ do.",
            PAPER,
            f"sensitivity cosine to tuned GD++ at least {cosine:g}",
            (Measure("cosine to GD++", "at least", cosine, alignment("sensitivity_cosine", rival), ideal=1.0),),
            **seen,
        ),
    )
