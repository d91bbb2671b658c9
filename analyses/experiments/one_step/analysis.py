"""One trained layer of linear self-attention is one step of gradient descent ([VO] section 3)."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import pandas as pd

from analyses.claims.analysis import Evidence, Plot, Size, Verdict, sized
from analyses.claims.claim import Claim
from analyses.experiments.one_step.claims import CLAIMS, MODEL, NEGATIVE
from analyses.plots import regression as figures
from analyses.plots import shifts as shift_figures
from analyses.plots import weights as heatmaps
from mesa.config.presets import preset
from mesa.config.schema import RunConfig
from probes.plan import Plan, probe_of
from probes.registry import OF_PREDICTIONS


class OneStep:
    """Five seeds on isotropic inputs, and five on anisotropic ones, where plain gradient descent must be refuted."""

    name = "one-step"
    title = "One trained layer is one gradient step"
    question = (
        "Does one layer of linear self-attention, trained on in-context linear regression, implement one step of "
        "gradient descent? On a second task a better algorithm exists: it shows whether the measurements can say no."
    )
    seeds = 5
    developed_on = 5

    def runs(self, size: Size) -> dict[str, RunConfig]:
        """The paper's setting, and the same on anisotropic inputs."""
        configs = {MODEL: preset("one-layer"), NEGATIVE: preset("one-layer-anisotropic")}
        return {name: sized(config, size) for name, config in configs.items()}

    def plans(self, size: Size) -> dict[str, list[Plan]]:
        """Alignment at every checkpoint; all other probes at the last one, on the controls too."""
        prompts = 500 if size.quick else None
        last_only = ("weight_products", "interpolation", "out_of_distribution", "rollout")
        alignment = Plan(
            probe_of("gd_alignment", prompts),
            "all",
            ("untrained", "shuffled_labels", "shuffled_labels_both", "constructed", "constructed_preconditioned"),
        )
        others = [Plan(probe_of(name, prompts), controls=_CONTROLS.get(name)) for name in last_only]
        return {
            MODEL: [alignment, *others],
            # The anisotropic run is itself a control of every claim. Only its alignment is measured on controls too.
            NEGATIVE: [alignment, *(replace(plan, controls=()) for plan in others)],
        }

    def claims(self) -> tuple[Claim, ...]:
        """The nine rules, stated before anything is measured."""
        return CLAIMS

    def compared(self, evidence: Evidence) -> pd.DataFrame:
        """None: each rule looks at one model at a time."""
        return evidence.rows.iloc[:0]

    def plots(self, evidence: Evidence, verdicts: Sequence[Verdict]) -> Iterable[Plot]:
        """All verdicts, training, alignment, generalisation, weights and attention."""
        yield figures.scores(verdicts)
        yield figures.learning_curves(evidence)
        yield figures.alignment(evidence, MODEL, "gd")
        yield figures.refutation(evidence, NEGATIVE)
        yield shift_figures.shifts(evidence, MODEL)
        yield figures.rollout(evidence, MODEL)
        yield heatmaps.weights(evidence, (MODEL, NEGATIVE))
        yield heatmaps.attention(evidence, MODEL)


_CONTROLS = {"rollout": (*OF_PREDICTIONS["regression"], "identified_only")}
