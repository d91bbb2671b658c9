"""A LayerNorm before attention: what it costs one linear layer, and what it saves ([VO] appendix A.9)."""

from collections.abc import Iterable, Sequence

import pandas as pd

from analyses.claims.analysis import Evidence, Plot, Size, sized
from analyses.claims.claim import Claim, Measure, Source, Verdict
from analyses.claims.measures.regression import alignment, gap_closed, loss_ratio, shifted, worst
from analyses.claims.tables import Number
from analyses.experiments.layer_norm import figures as scale_figures
from analyses.plots import losses_and_cosines as training_figures
from analyses.plots import regression as figures
from mesa.config.presets import preset
from mesa.config.schema import RunConfig
from mesa.learners import GradientDescent
from probes.behaviour.gd_alignment import GDAlignment
from probes.behaviour.out_of_distribution import OutOfDistribution
from probes.plan import Plan

PAPER = "von Oswald et al. 2023"
NORM, LINEAR = "layer-norm", "linear"
# Factors of the inputs, context and query alike; from 2 on they are much larger.
SCALES = (0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0)
MUCH = 2.0


class LayerNorm:
    """Three seeds of a layer of linear self-attention behind a LayerNorm, and three without."""

    name = "layer-norm"
    title = "One layer behind a LayerNorm"
    question = (
        "A norm before attention hides how large the inputs are. How near to gradient descent does a layer of linear "
        "self-attention come behind it, and how does it fare where gradient descent diverges?"
    )
    seeds = 3

    def runs(self, size: Size) -> dict[str, RunConfig]:
        """A quarter of the batch and half of the steps: a norm needs the plain, slower loop."""
        small = {"steps": 8000, "batch": 512}
        norm = sized(_with(preset("one-layer-norm"), **small), size, steps=15_000, batch=2048)
        return {NORM: norm, LINEAR: sized(_with(preset("one-layer"), steps=3000, batch=1024), size, batch=2048)}

    def plans(self, size: Size) -> dict[str, list[Plan]]:
        """Alignment with one step of gradient descent over training, and losses on larger inputs at its end."""
        prompts = 500 if size.quick else 5000
        align = GDAlignment(prompts=prompts, learners=(GradientDescent(),))
        scaled = OutOfDistribution(
            prompts=prompts,
            input_scales=SCALES,
            teacher_scales=(),
            query_scales=(),
            noisy_labels=(),
            norms=(),
            learners=(GradientDescent(),),
        )
        controls = ("untrained", "shuffled_labels", "constructed_normed")
        return {
            NORM: [Plan(align, "all", controls), Plan(scaled, controls=controls)],
            LINEAR: [Plan(align, controls=()), Plan(scaled, controls=())],
        }

    def claims(self) -> tuple[Claim, ...]:
        """The three rules, stated before anything is measured; the paper gives no numbers, so they are our reading."""
        blind = {name: Source(NORM, name) for name in ("untrained", "shuffled_labels")}
        step = {"constructed_normed": Source(NORM, "constructed_normed")}
        return (
            Claim(
                "loss",
                "Behind a LayerNorm the layer learns, but its loss no longer matches gradient descent's.",
                f"{PAPER}, appendix A.9",
                "loss at least 5 % above tuned GD's, and at least half of the gap from predict-zero's closed",
                (
                    Measure("loss / GD's loss", "at least", 1.05, loss_ratio("gd"), ideal=1.2),
                    Measure("share of the gap closed", "at least", 0.5, gap_closed("gd"), ideal=1.0),
                ),
                Source(NORM),
                negative={**blind, "linear": Source(LINEAR)},
                positive=step,
            ),
            Claim(
                "cosine",
                "It still reacts to its query much as the gradient step does.",
                f"{PAPER}, appendix A.9 (a reasonable cosine)",
                "sensitivity cosine to tuned GD at least 0.7",
                (Measure("sensitivity cosine", "at least", 0.7, alignment("sensitivity_cosine"), ideal=1.0),),
                Source(NORM),
                negative=blind,
                # The norm takes two of eleven directions from the sensitivity: the query's own and the tokens' mean.
                positive={**step, "linear": Source(LINEAR)},
            ),
            Claim(
                "larger-inputs",
                "For much larger inputs, where gradient descent diverges, the layer does better.",
                f"{PAPER}, appendix A.9",
                "at input scales 2, 3 and 4: loss at most 0.8 times tuned GD's, and at most 0.95 times predict-zero's",
                (
                    Measure("largest loss / GD's loss", "at most", 0.8, _larger("gd")),
                    Measure("largest loss / predict-zero's loss", "at most", 0.95, _larger("zero"), ideal=0.5),
                ),
                Source(NORM),
                negative={**blind, "linear": Source(LINEAR)},
                positive=step,
            ),
        )

    def compared(self, evidence: Evidence) -> pd.DataFrame:
        """None: each rule looks at one model at a time."""
        return evidence.rows.iloc[:0]

    def plots(self, evidence: Evidence, verdicts: Sequence[Verdict]) -> Iterable[Plot]:
        """Verdicts at a glance, training, and the losses over the inputs' scale."""
        yield figures.scores(verdicts)
        yield training_figures.losses_and_cosines(
            evidence,
            (NORM, LINEAR),
            "constructed_normed",
            "Every line is a seed. Behind the norm the loss ends above gradient descent's, at that of the gradient "
            "step's own weights behind the same norm, and the cosine below 1. Without the norm both match.",
            "A loss behind the norm at the dashed line, or a cosine near that of an untrained model, which is 0.",
        )
        yield scale_figures.input_scales(evidence, (NORM, LINEAR), "constructed_normed")


def _with(config: RunConfig, **training: object) -> RunConfig:
    return config.model_copy(update={"training": config.training.model_copy(update=training)})


def _larger(other: str) -> Number:
    def ratio(rows: pd.DataFrame) -> float:
        table = shifted(rows, ("input_scale",))
        table = table[table["condition_value"] >= MUCH]
        return worst(table["model"] / table[other])

    return ratio
