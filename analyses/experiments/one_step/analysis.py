"""One trained layer of linear self-attention is one step of gradient descent ([VO] section 3)."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import pandas as pd

from analyses.claims.analysis import Evidence, Plot, Size, Verdict, sized
from analyses.claims.claim import Claim
from analyses.experiments.one_step.claims import ANISOTROPIC, CLAIMS, MODEL, TWO_OUTPUTS
from analyses.plots import regression as figures
from analyses.plots import shifts as shift_figures
from analyses.plots import weights as heatmaps
from mesa.config.presets import preset
from mesa.config.schema import RunConfig
from probes.plan import Plan, probe_of

WEIGHTS = ("constructed", "constructed_larger_step", "constructed_uneven_step")
PREDICTIONS = ("untrained", "shuffled_labels", *WEIGHTS)


class OneStep:
    """Five seeds on isotropic inputs; on anisotropic ones, where gradient descent must be refuted; with two outputs."""

    name = "one-step"
    title = "One trained layer is one gradient step"
    question = (
        "Does one layer of linear self-attention, trained on in-context linear regression, implement one step of "
        "gradient descent? On a second task a better algorithm exists: it shows whether the measurements can say no."
    )
    seeds = 5
    developed_on = 5

    def runs(self, size: Size) -> dict[str, RunConfig]:
        """The paper's setting, the same on anisotropic inputs, and the same with two outputs."""
        paper = preset("one-layer")
        two_outputs = paper.model_copy(update={"task": {**paper.task, "d_out": 2}})
        configs = {MODEL: paper, ANISOTROPIC: preset("one-layer-anisotropic"), TWO_OUTPUTS: two_outputs}
        return {name: sized(config, size) for name, config in configs.items()}

    def plans(self, size: Size) -> dict[str, list[Plan]]:
        """Alignment at every checkpoint; all other probes at the last one, on the controls too."""
        prompts = 2000 if size.quick else None
        alignment = probe_of("gd_alignment", prompts)
        weights = [Plan(probe_of(name, prompts), controls=WEIGHTS) for name in ("weight_products", "interpolation")]
        return {
            MODEL: [
                Plan(alignment, "all", (*PREDICTIONS, "shuffled_labels_both")),
                *weights,
                Plan(probe_of("out_of_distribution", prompts), controls=PREDICTIONS),
                Plan(probe_of("rollout", prompts), controls=(*PREDICTIONS, "identified_only")),
            ],
            # The anisotropic run is itself a control of most claims.
            ANISOTROPIC: [
                Plan(alignment, "all", ("untrained", "shuffled_labels", "constructed", "constructed_preconditioned")),
                *(replace(plan, controls=("constructed_preconditioned",)) for plan in weights),
                *(Plan(probe_of(name, prompts), controls=()) for name in ("out_of_distribution", "rollout")),
            ],
            TWO_OUTPUTS: [Plan(alignment, "last", (*WEIGHTS, "untrained")), weights[0]],
        }

    def claims(self) -> tuple[Claim, ...]:
        """The twelve rules, stated before anything is measured."""
        return CLAIMS

    def compared(self, evidence: Evidence) -> pd.DataFrame:
        """None: each rule looks at one model at a time."""
        return evidence.rows.iloc[:0]

    def plots(self, evidence: Evidence, verdicts: Sequence[Verdict]) -> Iterable[Plot]:
        """All verdicts, training, alignment, generalisation, weights and attention."""
        yield figures.scores(verdicts)
        yield figures.learning_curves(evidence)
        yield figures.alignment(evidence, MODEL, "gd")
        yield figures.refutation(evidence, ANISOTROPIC)
        yield shift_figures.shifts(evidence, MODEL)
        yield figures.rollout(evidence, MODEL)
        yield heatmaps.weights(evidence, (MODEL, ANISOTROPIC))
        yield heatmaps.attention(evidence, MODEL)
