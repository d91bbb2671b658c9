"""How strongly trained layers correct the curvature, and how that falls with the context ([VO] appendix A.10)."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import pandas as pd

from analyses.claims.analysis import Evidence, Plot, Size, Verdict, sized, with_training
from analyses.claims.claim import Claim
from analyses.experiments.curvature import figures as curvature_figures
from analyses.experiments.curvature.claims import CLAIMS, THREE
from analyses.experiments.curvature.figures_of_weights import between_seeds, three_layers
from analyses.experiments.curvature.measures import PUBLISHED, RUNS, curvature_rows
from analyses.plots import regression as figures
from mesa.config.presets import preset
from mesa.config.schema import RunConfig
from mesa.learners import GradientDescent
from probes.behaviour.gd_alignment import GDAlignment
from probes.plan import Plan, probe_of

CONTROLS = ("untrained", "constructed_gd", "constructed_small_gamma", "constructed_uneven_gamma", "constructed")


class CurvatureByContext:
    """Five seeds of two tied layers at each of four context lengths, and of three tied layers at the shortest."""

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
        """A quarter of the paper's batch, and training until the loss is settled, with the rate falling to zero.

        The paper trains for 5,000 steps at one rate. Some seeds then still move along a valley, or have a plateau of
        3,000 steps behind them: at N = 25 one ended 6 % above another and 400 steps at a falling rate made them equal.
        """
        two, three = preset("two-layers-tied"), preset("ten-layers-tied")
        three = three.model_copy(update={"model": three.model.model_copy(update={"n_layers": 3})})
        configs = {name: two.model_copy(update={"task": {**two.task, "context": N}}) for N, name in RUNS.items()}
        settled = {"until": "settled", "steps": 12_000, "batch": 512, "learning_rate": 1e-3}
        return {
            name: sized(with_training(config, **settled), size, batch=2048)
            for name, config in {**configs, THREE: three}.items()
        }

    def plans(self, size: Size) -> dict[str, list[Plan]]:
        """Curvature and losses, compared with tuned learners' and controls', and the weights of three layers."""
        prompts = 200 if size.quick else 5000
        rivals = (GradientDescent(steps=2), GradientDescent(gamma=0.0, steps=2))
        losses = GDAlignment(prompts=prompts, learners=rivals, by_layer=False)
        curves = probe_of("curvature", min(prompts, 2000))
        plans = {name: [Plan(losses, controls=()), Plan(curves, controls=CONTROLS)] for name in RUNS.values()}
        # Two tuned learners differ by the prompts that they were tuned on: on 200 of them by a tenth.
        weights = probe_of("weight_products", max(prompts, 2000))
        return {**plans, THREE: [Plan(weights, controls=CONTROLS[1:])]}

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
        yield three_layers(evidence, THREE)
        yield between_seeds(evidence, RUNS)
