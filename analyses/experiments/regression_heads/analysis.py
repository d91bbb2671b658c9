"""Which heads of the one-layer regression models take the gradient step, by attribution ([VO] appendix A.9)."""

from collections.abc import Iterable, Sequence

import pandas as pd

from analyses.claims.analysis import Evidence, Plot, Size, Verdict, sized, with_training
from analyses.claims.claim import Claim
from analyses.experiments.regression_heads.claims import CLAIMS, LINEAR, ONE, SOFTMAX
from analyses.plots import attribution as attribution_figures
from analyses.plots import language as token_figures
from analyses.plots import regression as figures
from mesa.config.presets import preset
from mesa.config.schema import RunConfig
from probes.attribution.probe import HeadAttribution
from probes.plan import Plan


class Attribution:
    """Five seeds of the model of `one-step`, five with a second linear head, and five of two softmax heads."""

    name = "attribution"
    title = "Which heads take the gradient step"
    question = (
        "One linear head takes a gradient step. Of two heads, does one do the work, do they share it, or does each "
        "need the other? Softmax heads should need each other: one cancels the constant that softmax adds to the other."
    )
    seeds = 5
    developed_on = 5

    def runs(self, size: Size) -> dict[str, RunConfig]:
        """The paper's one-layer settings, at half its batch, until the loss has settled."""
        presets = {
            ONE: ("one-layer", 5000),
            LINEAR: ("one-layer-two-heads", 8000),
            SOFTMAX: ("one-layer-softmax-two-heads", 15_000),
        }
        return {
            run: sized(with_training(preset(name), batch=1024, until="settled", steps=most), size, batch=2048)
            for run, (name, most) in presets.items()
        }

    def plans(self, size: Size) -> dict[str, list[Plan]]:
        """Attribution of the prediction at the last checkpoint, on controls too."""
        probe = HeadAttribution(prompts=200 if size.quick else 2000)
        linear = ("untrained", "shuffled_labels", "constructed")
        return {
            ONE: [Plan(probe, controls=linear)],
            LINEAR: [
                Plan(
                    probe,
                    controls=("untrained", "shuffled_labels", "random_split", "uneven_split", "opposed_split"),
                )
            ],
            SOFTMAX: [Plan(probe, controls=("untrained", "shuffled_labels", "constructed_softmax"))],
        }

    def claims(self) -> tuple[Claim, ...]:
        """The four rules; all were amended after a look at seeds 0 to 4."""
        return CLAIMS

    def compared(self, evidence: Evidence) -> pd.DataFrame:
        """None: each rule looks at one model at a time."""
        return evidence.rows.iloc[:0]

    def plots(self, evidence: Evidence, verdicts: Sequence[Verdict]) -> Iterable[Plot]:
        """Effects by head, what each kind of ablation leaves, all verdicts, and attention."""
        yield attribution_figures.effects(evidence, (ONE, LINEAR, SOFTMAX))
        yield attribution_figures.conditions(evidence, (ONE, LINEAR, SOFTMAX))
        yield figures.scores(verdicts)
        yield token_figures.attention(
            evidence,
            (ONE, LINEAR, SOFTMAX),
            "position 10 is the query, which is never a key. For linear attention the pattern is its scores, which "
            "have signs; two softmax heads attend to the examples in opposite order.",
        )
