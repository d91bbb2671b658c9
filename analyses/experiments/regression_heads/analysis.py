"""Who takes the gradient step? Heads of the one-layer regression models, by attribution ([VO], appendix A.9)."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from analyses.claims.analysis import Evidence, Plot, Size, sized
from analyses.claims.claim import Claim, Measure, Source, Verdict
from analyses.claims.measures.attribution import (
    agreement,
    circuit_size,
    direct_total,
    gain,
    remains,
)
from analyses.plots import attribution as attribution_figures
from analyses.plots import language as token_figures
from analyses.plots import regression as figures
from mesa.config.presets import preset
from mesa.config.schema import RunConfig
from probes.attribution.probe import HeadAttribution
from probes.plan import Plan

SOURCE = "by attribution; the numbers are ours"
_AMENDED = "after a look at these seeds; read-outs' means alone held for controls too, and could not tell the pairs"
ONE, LINEAR, SOFTMAX = "one-head", "two-linear-heads", "two-softmax-heads"


class Attribution:
    """Five seeds of the model of `one-step`, five with a second linear head, and five of two softmax heads."""

    name = "attribution"
    title = "Which heads take the gradient step"
    question = (
        "One linear head takes a gradient step. Where there are two heads, does one of them do the work, do they share "
        "it, or can neither do without the other? Softmax heads should need each other: one undoes what softmax adds."
    )
    seeds = 5

    def runs(self, size: Size) -> dict[str, RunConfig]:
        """The paper's one-layer settings, at half its batch."""
        return {
            ONE: sized(_half(preset("one-layer"), steps=3000), size, steps=5000, batch=2048),
            LINEAR: sized(_half(preset("one-layer-two-heads"), steps=3000), size, steps=5000, batch=2048),
            SOFTMAX: sized(_half(preset("one-layer-softmax-two-heads")), size, batch=2048),
        }

    def plans(self, size: Size) -> dict[str, list[Plan]]:
        """Attribution of the prediction at the last checkpoint, beside controls."""
        probe = HeadAttribution(prompts=200 if size.quick else 2000)
        linear = ("untrained", "shuffled_labels", "constructed")
        return {
            ONE: [Plan(probe, controls=linear)],
            LINEAR: [Plan(probe, controls=("untrained", "shuffled_labels"))],
            SOFTMAX: [Plan(probe, controls=("untrained", "shuffled_labels", "constructed_softmax"))],
        }

    def claims(self) -> tuple[Claim, ...]:
        """The four rules. That prompts are looked at one by one was added after means alone could not tell the pairs.

        A tuned step of gradient descent has a read-out of .505: all rules ask that there be a behaviour to attribute.
        """
        there = Measure("read-out, clean less corrupted", "at least", 0.3, gain, ideal=0.5)
        return (
            Claim(
                "one-head",
                "The one linear head takes the step, and what it writes is all of it; of one head in one layer the "
                "second part must hold, and checks the instrument.",
                SOURCE,
                "a read-out of at least 0.3; written directly at least 95 %; at most 5 % left when the head is "
                "mean-ablated",
                (
                    there,
                    Measure("written directly", "at least", 0.95, direct_total, ideal=1.0),
                    Measure("left without it", "at most", 0.05, remains("mean")),
                ),
                Source(ONE),
                negative={**_blind(ONE), "two_linear": Source(LINEAR), "two_softmax": Source(SOFTMAX)},
                positive={"constructed": Source(ONE, "constructed")},
                amended=_AMENDED,
            ),
            Claim(
                "linear-share",
                "Two linear heads share the work: each does a part of it for every prompt.",
                SOURCE,
                "a read-out of at least 0.3; without either head between 5 % and 95 % are left, and prompts agree with "
                "the clean run by at least 0.25",
                (
                    there,
                    Measure("left without the more dispensable", "at most", 0.95, remains("mean"), ideal=0.5),
                    Measure("left without the other", "at least", 0.05, remains("mean", most=False), ideal=0.5),
                    Measure("agreement without the other", "at least", 0.25, partial(agreement, most=False), ideal=1.0),
                ),
                Source(LINEAR),
                negative={**_blind(LINEAR), "one_head": Source(ONE), "two_softmax": Source(SOFTMAX)},
                amended=_AMENDED,
            ),
            Claim(
                "softmax-pair",
                "Two softmax heads need each other: without either, prompts are further off than corrupted ones.",
                f"von Oswald et al. 2023, appendix A.9; {SOURCE}",
                "a read-out of at least 0.3; agreement with the clean run at most 0 without either head",
                (there, Measure("agreement without a head", "at most", 0.0, agreement, ideal=-5.0)),
                Source(SOFTMAX),
                negative={**_blind(SOFTMAX), "one_head": Source(ONE), "two_linear": Source(LINEAR)},
                positive={"constructed_softmax": Source(SOFTMAX, "constructed_softmax")},
                amended=_AMENDED,
            ),
            Claim(
                "both",
                "Neither softmax head alone keeps the behaviour.",
                SOURCE,
                "a read-out of at least 0.3; the smallest set that keeps 90 %, for single prompts too, has both heads",
                (there, Measure("heads in the set", "at least", 2.0, circuit_size, ideal=3.0)),
                Source(SOFTMAX),
                negative={**_blind(SOFTMAX), "one_head": Source(ONE)},
                positive={"constructed_softmax": Source(SOFTMAX, "constructed_softmax")},
                amended=_AMENDED,
            ),
        )

    def plots(self, evidence: Evidence, verdicts: Sequence[Verdict]) -> Iterable[Plot]:
        """Effects by head, what each kind of ablation leaves, verdicts at a glance, and attention."""
        yield attribution_figures.effects(evidence, (ONE, LINEAR, SOFTMAX))
        yield attribution_figures.conditions(evidence, (ONE, LINEAR, SOFTMAX))
        yield figures.scores(verdicts)
        yield token_figures.attention(
            evidence,
            (ONE, LINEAR, SOFTMAX),
            "position 10 is the query, which is never a key. Linear attention's pattern is its scores, with signs; two "
            "softmax heads attend to examples in opposite order.",
        )


def _half(config: RunConfig, **training: Any) -> RunConfig:
    changed = config.training.model_copy(update={"batch": 1024, **training})
    return config.model_copy(update={"training": changed})


def _blind(run: str) -> dict[str, Source]:
    return {name: Source(run, name) for name in ("untrained", "shuffled_labels")}
