"""How strongly trained layers correct the curvature, and how that falls with the context ([VO] appendix A.10)."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import pandas as pd

from analyses.claims.analysis import Evidence, Plot, Size, Verdict, sized
from analyses.claims.claim import Claim
from analyses.experiments.curvature import figures as curvature_figures
from analyses.experiments.curvature.claims import CLAIMS
from analyses.experiments.curvature.measures import PUBLISHED, RUNS, curvature_rows
from analyses.plots import regression as figures
from mesa.config.presets import preset
from mesa.config.schema import RunConfig
from mesa.learners import GradientDescent
from probes.activations.curvature import Curvature
from probes.behaviour.gd_alignment import GDAlignment
from probes.plan import Plan

CONTROLS = ("untrained", "constructed_gd", "constructed_small_gamma", "constructed_uneven_gamma", "constructed")


class CurvatureByContext:
    """Five seeds of two tied layers at each of four context lengths."""

    name = "curvature"
    title = "The learned curvature correction"
    question = (
        "Two tied layers correct the curvature of the loss that they descend on: x_j becomes (I - gamma S) x_j. How "
        "large is the gamma that they learn, is it that of tuned GD++, and how does the first layer change the "
        "spectrum of S?"
    )
    seeds = 5
    developed_on = 5

    def runs(self, size: Size) -> dict[str, RunConfig]:
        """A quarter of the paper's batch and twice its steps: some seeds stay on a plateau for 3,000 steps and more."""
        configs = {}
        for count, name in RUNS.items():
            config = preset("two-layers-tied")
            training = config.training.model_copy(update={"batch": 512, "steps": 10_000})
            task = {**config.task, "context": count}
            configs[name] = sized(
                config.model_copy(update={"task": task, "training": training}), size, batch=2048, steps=5000
            )
        return configs

    def plans(self, size: Size) -> dict[str, list[Plan]]:
        """Curvature of the model and the controls, and the losses compared with tuned learners'."""
        prompts = 200 if size.quick else 5000
        rivals = (GradientDescent(steps=2), GradientDescent(gamma=0.0, steps=2))
        losses = GDAlignment(prompts=prompts, learners=rivals, by_layer=False)
        curves = Curvature(prompts=min(prompts, 2000))
        return {name: [Plan(losses, controls=()), Plan(curves, controls=CONTROLS)] for name in RUNS.values()}

    def compared(self, evidence: Evidence) -> pd.DataFrame:
        """Rows of probe `curvatures`: numbers over all context lengths."""
        return curvature_rows(evidence)

    def claims(self) -> tuple[Claim, ...]:
        """The five rules, stated before anything is measured."""
        return CLAIMS

    def plots(self, evidence: Evidence, verdicts: Sequence[Verdict]) -> Iterable[Plot]:
        """All verdicts, training, gammas, and spectra."""
        yield figures.scores(verdicts)
        yield replace(
            figures.learning_curves(evidence),
            look="The held-out loss of every seed falls through two tuned steps of gradient descent to GD++'s, at "
            "every context length.",
            against="Losses that stop at gradient descent's line, or still fall at the end.",
        )
        yield curvature_figures.gammas(evidence, RUNS, PUBLISHED)
        yield curvature_figures.spectra(evidence, RUNS)
        yield curvature_figures.conditions(evidence, RUNS)
