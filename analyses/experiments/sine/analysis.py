"""On sine curves a layer behind an MLP is one step of gradient descent on deep features ([VO] section 4)."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import pandas as pd

from analyses.claims.analysis import Evidence, Plot, Size, sized
from analyses.claims.claim import Claim, Measure, Source, Verdict
from analyses.claims.measures.regression import alignment, loss_gap, shift_gap, shifted, worst
from analyses.claims.tables import Number, single_value
from analyses.experiments.sine import figures as sine_figures
from analyses.plots import regression as figures
from mesa.config.presets import preset
from mesa.config.schema import RunConfig
from probes.behaviour.curves import Curves
from probes.behaviour.gd_alignment import GDAlignment
from probes.behaviour.out_of_distribution import OutOfDistribution
from probes.plan import Plan

PAPER = "von Oswald et al. 2023, section 4"
MODEL, LEARNER, RIVAL = "model", "learner", "meta_learned"
# Smaller batches at higher rates than the paper's, so that both have converged within minutes; both may differ, since
# the claim is about where training ends.
STEPS, BATCH = 12_000, 256
RATES = {MODEL: 4e-3, LEARNER: 2e-3}
PRESETS = {MODEL: "sine", LEARNER: "sine-learner"}
CONTROLS = ("untrained", "shuffled_labels", "sine_fit")
SHIFTS = ("input_scale", "amplitude_scale", "phase_shift")


class Sine:
    """A trained layer behind an MLP, and a learner: the same MLP, meta-trained through one explicit gradient step."""

    name = "sine"
    title = "Non-linear regression: one gradient step on deep features"
    question = (
        "Does an MLP with one layer of linear self-attention, trained on sine curves in context, do what the same MLP "
        "does when it is meta-trained through one explicit step of gradient descent? Each predicts by one sum over the "
        "examples, and the best such sum is unique: they must be nearer to each other than to the right answer."
    )
    seeds = 2

    def runs(self, size: Size) -> dict[str, RunConfig]:
        """The model and the learner; a seed starts both from the same embedding and MLP."""
        return {name: _sized(name, size) for name in (MODEL, LEARNER)}

    def plans(self, size: Size) -> dict[str, list[Plan]]:
        """The model beside the learner, over training and shifted; the learner beside itself must agree exactly."""
        prompts = 300 if size.quick else 4000
        aligned, shifted = GDAlignment(prompts=prompts), OutOfDistribution(prompts=prompts)
        return {
            MODEL: [
                Plan(aligned, "all", CONTROLS, LEARNER),
                Plan(shifted, "last", CONTROLS, LEARNER),
                Plan(Curves(), "last", (), LEARNER),
            ],
            LEARNER: [Plan(probe, "last", (), LEARNER) for probe in (aligned, shifted)],
        }

    def claims(self) -> tuple[Claim, ...]:
        """The five rules, stated before anything is measured; the paper gives no numbers, so they are our reading."""
        controls = {name: Source(MODEL, name) for name in CONTROLS}
        seen = {"subject": Source(MODEL), "negative": controls, "positive": {LEARNER: Source(LEARNER)}}
        # In one dimension a cosine is the agreement of two signs: the right curve slopes as both do.
        signs = {name: controls[name] for name in CONTROLS if name != "sine_fit"}
        return (
            Claim(
                "loss",
                "The trained model's loss equals that of the learner with one explicit gradient step.",
                f"{PAPER}, fig. 4",
                "loss within 10 % of the learner's on the same prompts",
                (Measure("|loss / learner's loss - 1|", "at most", 0.1, loss_gap(RIVAL)),),
                **seen,
            ),
            Claim(
                "prediction",
                "The model predicts what the learner predicts.",
                f"{PAPER}, fig. 4",
                "|f - g| / |g| at most 0.15, and |f - g| at most half of |g - target|, the learner's own error",
                (
                    Measure("|f - g| / |g|", "at most", 0.15, alignment("relative_distance", RIVAL)),
                    Measure("|f - g| / |g - target|", "at most", 0.5, _unshifted("error_ratio")),
                ),
                **seen,
            ),
            Claim(
                "cosine",
                "The model reacts to its query as the learner does: the slopes of both curves agree in sign.",
                f"{PAPER}, fig. 4",
                "sensitivity cosine at least 0.95; with one input it is +1 or -1 for each prompt",
                (Measure("sensitivity cosine", "at least", 0.95, alignment("sensitivity_cosine", RIVAL), ideal=1.0),),
                Source(MODEL),
                negative=signs,
                positive={LEARNER: Source(LEARNER)},
                explaining={"sine_fit": controls["sine_fit"]},
            ),
            Claim(
                "shifts-loss",
                "Beyond its training ranges the model generalises, and fails, as the learner does.",
                f"{PAPER}, and its appendix on out-of-distribution prompts",
                "losses within 25 % for every amplitude, phase and input range in which the learner beats predict-zero",
                (Measure("largest |loss / learner's loss - 1|", "at most", 0.25, shift_gap(SHIFTS, RIVAL)),),
                **seen,
            ),
            Claim(
                "shifts-prediction",
                "Beyond its training ranges, too, the model predicts what the learner predicts.",
                f"{PAPER}, and its appendix on out-of-distribution prompts",
                "|f - g| / |g| at most 0.25 in all of these ranges",
                (Measure("largest |f - g| / |g|", "at most", 0.25, _farthest),),
                **seen,
            ),
        )

    def compared(self, evidence: Evidence) -> pd.DataFrame:
        """None: each rule looks at one model at a time."""
        return evidence.rows.iloc[:0]

    def plots(self, evidence: Evidence, verdicts: Sequence[Verdict]) -> Iterable[Plot]:
        """Verdicts at a glance, training, curves, agreement and shifts."""
        yield figures.scores(verdicts)
        yield sine_figures.training(evidence, MODEL, LEARNER)
        yield sine_figures.curves(evidence, MODEL)
        yield replace(
            figures.alignment(evidence, MODEL, RIVAL),
            title="Agreement with the trained learner over training",
            look="Each line is a seed, its model at every checkpoint beside its learner at the end of training. In one "
            "dimension the cosine of a prompt is +1 or -1: it counts slopes of equal sign, and says nothing of scale.",
            against="Untrained weights, or a model that is shown shuffled labels, reaching the same level; or lines "
            "that level off far from 0 on the right: model and learner would then be two answers to one question.",
        )
        yield sine_figures.shifts(evidence, MODEL)


def _sized(name: str, size: Size) -> RunConfig:
    config = preset(PRESETS[name])
    paper = {field: getattr(config.training, field) for field in ("steps", "batch", "learning_rate", "evaluate_every")}
    small = {"steps": STEPS, "batch": BATCH, "learning_rate": RATES[name], "evaluate_every": 200}
    reduced = config.model_copy(update={"training": config.training.model_copy(update=small)})
    return sized(reduced, size, **paper)


def _unshifted(metric: str) -> Number:
    """A distance of `out_of_distribution` where nothing is shifted."""
    where = {"probe": "out_of_distribution", "condition": "amplitude_scale", "condition_value": 1.0}
    return lambda rows: single_value(rows, **where, metric=metric, learner=RIVAL)


def _farthest(rows: pd.DataFrame) -> float:
    place = ["condition", "condition_value"]
    table = shifted(rows, SHIFTS, RIVAL)
    table = table[table[RIVAL] < table["zero"]].set_index(place)
    found = rows[(rows["probe"] == "out_of_distribution") & (rows["metric"] == "relative_distance")]
    return worst(found.set_index(place)["value"].reindex(table.index))
