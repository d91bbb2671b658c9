"""Five layers with separate weights, and ten that share them, compared with GD++ ([VO] appendix A.10)."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import pandas as pd

from analyses.claims.analysis import Evidence, Plot, Size, Verdict, sized, with_training
from analyses.claims.claim import Claim
from analyses.experiments.depth import figures as depth_figures
from analyses.experiments.depth.claims import CLAIMS, FIVE, RIVALS, TEN, depth_rows
from analyses.experiments.depth.rivals import rivals
from analyses.plots import regression as figures
from mesa.config.presets import preset
from mesa.config.schema import RunConfig
from probes.activations.curvature import Curvature
from probes.behaviour.gd_alignment import GDAlignment
from probes.behaviour.out_of_distribution import OutOfDistribution
from probes.plan import Plan, probe_of

CONTROLS = (
    "untrained",
    "shuffled_labels",
    "constructed_gd",
    "one_step_fewer",
    "newton_of_equal_loss",
    "constructed",
)


class Depth:
    """Three seeds of five untied layers, and of ten tied ones."""

    name = "depth"
    title = "Deeper models: five layers, and ten that share their weights"
    question = (
        "Do deep models of linear self-attention take as many steps of GD++ as they have layers? Do the step sizes "
        "differ between steps where the layers have separate weights, and are they equal where the layers share them?"
    )
    seeds = 3
    developed_on = 3

    def runs(self, size: Size) -> dict[str, RunConfig]:
        """Both depths at one rate, on equally many prompts at most, until they settle; the paper's at size full."""
        shared = {"until": "settled", "steps": 30_000, "batch": 512, "learning_rate": 1e-3}
        paper = {
            FIVE: {"until": "steps", "steps": 50_000, "batch": 2048, "learning_rate": 5e-4},
            TEN: {"until": "steps", "steps": 15_000, "batch": 2048, "learning_rate": 5e-4},
        }
        return {name: sized(with_training(preset(name), **shared), size, **paper[name]) for name in (FIVE, TEN)}

    def plans(self, size: Size) -> dict[str, list[Plan]]:
        """Alignment, layer by layer, identification, and curvature at the last checkpoint."""
        prompts = 1000 if size.quick else 5000
        plans = {}
        for name, steps in ((FIVE, 5), (TEN, 10)):
            plans[name] = [
                Plan(
                    GDAlignment(prompts=prompts, learners=rivals(steps, shared=name == TEN)),
                    controls=CONTROLS,
                    tune_once=True,
                ),
                Plan(Curvature(prompts=min(prompts, 2000)), controls=("constructed",)),
                Plan(probe_of("identify", min(prompts, 1000)), controls=()),
            ]
        # Gradient descent and GD++ alone, whose tuning takes as long as all the rest.
        outside = OutOfDistribution(prompts=prompts, learners=rivals(5, shared=False)[:2])
        plans[FIVE].append(Plan(outside, controls=CONTROLS, tune_once=True))
        # This probe does not apply to five layers: the report says so.
        plans[FIVE].append(Plan(probe_of("interpolation", prompts), controls=()))
        return plans

    def compared(self, evidence: Evidence) -> pd.DataFrame:
        """The loss of ten tied layers relative to that of five untied ones, on the same prompts."""
        return depth_rows(evidence)

    def claims(self) -> tuple[Claim, ...]:
        """The eleven rules, stated before anything is measured."""
        return CLAIMS

    def plots(self, evidence: Evidence, verdicts: Sequence[Verdict]) -> Iterable[Plot]:
        """All verdicts, training, and what each layer does."""
        yield figures.scores(verdicts)
        yield replace(
            figures.learning_curves(evidence),
            look="The held-out loss of every seed, compared with the tuned learners of as many steps. A few prompts "
            "with large eigenvalues, which a deep model predicts very badly, make up much of the loss: its level "
            "differs between batches.",
            against="Losses that stay at gradient descent's line, or still fall at the end.",
        )
        yield depth_figures.by_layer(evidence, RIVALS)
        yield depth_figures.gammas(evidence, (FIVE, TEN))
