"""Induction heads: when they form, what they are made of, and whether they do what the model does ([OL], [EL])."""

import math
from collections.abc import Iterable, Sequence

import pandas as pd

from analyses.claims.analysis import Evidence, Plot, Size
from analyses.claims.claim import Claim, Measure, Source, Verdict
from analyses.claims.measures.attribution import key_lead, without_layer
from analyses.claims.measures.language import best_head, head_score, shallow, sized_symbols, token_gap
from analyses.claims.tables import Number, single_value
from analyses.experiments.induction import figures as head_score_curves
from analyses.plots import attribution as attribution_figures
from analyses.plots import language as token_figures
from analyses.plots import regression as figures
from mesa.config.presets import preset
from mesa.config.schema import RunConfig
from probes.attribution.probe import HeadAttribution
from probes.language.composition import Composition
from probes.language.induction_scores import InductionScores
from probes.language.token_alignment import TokenAlignment
from probes.plan import Plan
from probes.reading import Reading
from probes.schema import COLUMNS
from probes.training_time.formation import Formation
from probes.training_time.series import Series

OLSSON, ELHAGE = "Olsson et al. 2022", "Elhage et al. 2021"
REPEATED, RECALL, ONE = "repeated", "recall", "one-layer"
SCORES = {
    "previous_token": "previous token",
    "prefix_matching": "prefix matching",
    "task_prefix_matching": "prefix matching, own task",
    "copying": "copying",
}


class Induction:
    """Five seeds on repeated tokens, five on associative recall, and five with one layer, which has no second step."""

    name = "induction"
    title = "Induction heads"
    question = (
        "A model of two layers learns to continue what it has seen before in the same sequence. Do induction heads "
        "form when it does, out of a previous-token head and a head that reads its keys, and are they what does it?"
    )
    seeds = 5

    def runs(self, size: Size) -> dict[str, RunConfig]:
        """Two layers of two heads on both tasks; one layer of two heads on repeated tokens."""
        two = preset("induction")
        runs = {REPEATED: two, RECALL: preset("recall"), ONE: shallow(two)}
        return {name: sized_symbols(config, size) for name, config in runs.items()}

    def plans(self, size: Size) -> dict[str, list[Plan]]:
        """Losses and scores at every checkpoint; composition and attribution at the last."""
        few = 32 if size.quick else 256
        near = TokenAlignment(prompts=64 if size.quick else 512)
        scores = InductionScores(prompts=16 if size.quick else 64)
        built = ("untrained", "constructed_induction")
        blind = ("untrained", "shuffled_tokens", "best_predictor")
        full = [
            Plan(near, controls=blind),
            Plan(scores, "all", built),
            Plan(Composition(), controls=built),
            Plan(HeadAttribution(prompts=few), controls=built),
        ]
        one = [Plan(near, controls=()), Plan(scores, "all", ()), Plan(HeadAttribution(prompts=few), controls=())]
        return {REPEATED: full, RECALL: full, ONE: one}

    def compared(self, evidence: Evidence) -> pd.DataFrame:
        """When each score has come half of its way, and the order of those steps."""
        return order_rows(evidence)

    def claims(self) -> tuple[Claim, ...]:
        """The ten rules; some were amended after a look at these seeds, and say so."""
        blind = {name: Source(REPEATED, name) for name in ("untrained", "shuffled_tokens")}
        untrained, one_layer = {"untrained": Source(REPEATED, "untrained")}, {"one_layer": Source(ONE)}
        built = {"constructed_induction": Source(REPEATED, "constructed_induction")}
        learns = Measure("share of the gap closed", "at least", 0.85, token_gap("uniform", "best"), ideal=1.0)
        return (
            Claim(
                "learns",
                "Two layers learn to continue repeated random tokens; one layer does not.",
                f"{ELHAGE}, {OLSSON}; the number is ours",
                "at least 85 % of the gap between the uniform predictor's loss and the best closed",
                (learns,),
                Source(REPEATED),
                negative={**blind, **one_layer},
                positive={"best_predictor": Source(REPEATED, "best_predictor")},
            ),
            Claim(
                "recalls",
                "Two layers learn to recall a key's value.",
                "our task; the same rule",
                "at least 85 % of the gap between the uniform predictor's loss and the best closed",
                (learns,),
                Source(RECALL),
                negative={name: Source(RECALL, name) for name in ("untrained", "shuffled_tokens")},
                positive={"best_predictor": Source(RECALL, "best_predictor")},
            ),
            Claim(
                "induction-head",
                "A head of the second layer attends to what followed earlier occurrences, and copies it.",
                f"{OLSSON}; the numbers are ours",
                "the head of layer 1 that matches prefixes best: prefix matching at least 0.5, copying by weights at "
                "least 0.5 and by its logits at least 0.2, where chance is 0 and 0.03",
                (
                    Measure("prefix matching", "at least", 0.5, best_head("prefix_matching", 1), ideal=1.0),
                    Measure("copying, eigenvalues", "at least", 0.5, _of_best("copying_eigenvalues"), ideal=1.0),
                    Measure("copying, logits", "at least", 0.2, _of_best("copying"), ideal=1.0),
                ),
                Source(REPEATED),
                negative={**untrained, **one_layer},
                positive=built,
                amended="copying was to be at least 0.5 by logits; a head that is seen to copy raises other tokens too",
            ),
            Claim(
                "recall-head",
                "On pairs of keys and values, too, a head of the second layer attends to what followed the same key.",
                "the same rule, on prompts of the task",
                "prefix matching on the task's own prompts at least 0.5 in layer 1",
                (Measure("prefix matching", "at least", 0.5, best_head("task_prefix_matching", 1), ideal=1.0),),
                Source(RECALL),
                negative={"untrained": Source(RECALL, "untrained"), **one_layer},
                positive={"constructed_induction": Source(RECALL, "constructed_induction")},
                amended="added after a look at one of these seeds",
            ),
            Claim(
                "previous-token",
                "A head of the first layer attends to the token before.",
                f"{ELHAGE}; the number is ours",
                "the best previous-token score in layer 0 at least 0.3; untrained heads have about 0.08",
                (Measure("previous-token score", "at least", 0.3, best_head("previous_token", 0), ideal=1.0),),
                Source(REPEATED),
                negative={**untrained, **one_layer},
                positive=built,
            ),
            Claim(
                "together",
                "The loss falls when prefix matching rises.",
                f"{OLSSON}; the factor is our reading of when",
                "the steps at which the loss on scored tokens and the best prefix matching have come half of their way "
                "differ at most by a factor of 1.5, and it ends at 0.5 at least",
                (
                    Measure("|log of their ratio|", "at most", math.log(1.5), _apart),
                    Measure("prefix matching at the end", "at least", 0.5, _formed, ideal=1.0),
                ),
                Source(REPEATED),
                negative={**untrained, **one_layer, "previous_token": Source(REPEATED, "previous_token")},
                amended="it looked at the in-context score, whose first repeat these models are not trained on; the "
                "control puts the previous-token score in the place of prefix matching. Where little rises, as in one "
                "layer, its half says nothing",
            ),
            Claim(
                "previous-first",
                "Previous-token heads come before the induction heads that need them.",
                f"a hypothesis from {OLSSON}, to be tested",
                "the previous-token score has come half of its way at least a tenth earlier than prefix matching",
                (Measure("log(prefix matching / previous token)", "at least", math.log(1.1), _first, ideal=1.0),),
                Source(REPEATED),
                negative={**untrained, **one_layer},
            ),
            Claim(
                "both-layers",
                "Heads of both layers are needed for what the model does.",
                "by attribution; the number is ours",
                "without the heads of either layer, their means in their place, at most 20 % of the behaviour are left",
                (
                    Measure("left without layer 0's heads", "at most", 0.2, without_layer(0)),
                    Measure("left without layer 1's heads", "at most", 0.2, without_layer(1)),
                ),
                Source(REPEATED),
                negative={**untrained, **one_layer},
                positive=built,
                amended="it looked at the smallest set, which turned out to be all heads: a set that keeps everything",
            ),
            Claim(
                "composed",
                "By their weights, induction heads' keys match what the first layer's heads write token for token.",
                f"{ELHAGE}; the number is ours",
                "the largest QK trace through a head of layer 0 at least 0.5, where chance is 0",
                (Measure("QK trace", "at least", 0.5, _qk_trace, ideal=1.0),),
                Source(REPEATED),
                negative={**untrained, **one_layer},
                positive=built,
                amended="added after a look at these seeds",
            ),
            Claim(
                "by-keys",
                "What the first layer's heads write reaches the second layer's through their keys.",
                f"K-composition: {ELHAGE}, {OLSSON}; the number is ours",
                "paths through keys carry at least 0.2 more of the behaviour than those through queries or values",
                (Measure("lead of the keys", "at least", 0.2, key_lead, ideal=1.0),),
                Source(REPEATED),
                negative={**untrained, **one_layer},
                positive=built,
            ),
        )

    def plots(self, evidence: Evidence, verdicts: Sequence[Verdict]) -> Iterable[Plot]:
        """Effects by layer and head, the evidence behind them, verdicts at a glance, and how it came about."""
        yield attribution_figures.effects(evidence, (REPEATED, RECALL, ONE))
        yield attribution_figures.conditions(evidence, (REPEATED, RECALL))
        yield attribution_figures.paths(evidence, (REPEATED, RECALL))
        yield figures.scores(verdicts)
        levels = ("uniform", "unigram", "best")
        yield token_figures.training(
            evidence,
            {REPEATED: levels, RECALL: levels, ONE: levels},
            "Every line is a seed. Two layers fall abruptly and come near the best prediction; on associative recall "
            "after a long plateau. One layer stays near what the symbols' frequencies give.",
            "One layer at the best loss, or two layers that fall without a step.",
        )
        # Random tokens say little to a model of keys and values: its own prompts do.
        conditions = {REPEATED: "repeated", RECALL: "task", ONE: "repeated"}
        yield head_score_curves.formation(evidence, conditions, SCORES)
        yield token_figures.head_scores(evidence, (REPEATED, RECALL, ONE), SCORES)
        yield token_figures.compositions(evidence, (REPEATED, RECALL))
        yield token_figures.attention(
            evidence,
            (REPEATED, RECALL),
            "repeats of a block of random symbols: a previous-token head is a line below the diagonal, an induction "
            "head has lines one short of each earlier repeat's distance.",
        )


# Each series of `formation`, and the layer whose best head it follows, or all of them.
LAYERS: dict[str, int | None] = {"previous_token": 0, "prefix_matching": None}
TASK_LOSS = Series("loss", {"probe": "induction_scores", "metric": "loss", "prompts": "task"})
ORDERS = (("loss", "prefix_matching"), ("previous_token", "prefix_matching"), ("loss", "previous_token"))


def order_rows(evidence: Evidence) -> pd.DataFrame:
    """Rows of probe `formation`: when each score has come half of its way, and what comes before what.

    Under the control `previous_token` that score stands in the place of prefix matching.
    """
    best = best_rows(evidence.rows)
    series = tuple(Series(name, {"probe": "best_head", "metric": name}) for name in LAYERS)
    formation = Formation((*series, TASK_LOSS), ORDERS, shares=(0.5,))
    table = formation(Reading(pd.concat([evidence.rows, best], ignore_index=True))).table
    wrong = table[(table["metric"] == "order") & (table["series"] == "loss") & (table["before"] == "previous_token")]
    wrong = wrong.assign(before="prefix_matching")
    same = best[best["metric"] == "prefix_matching"]
    control = pd.concat([wrong, same], ignore_index=True)
    control = control[control["control"] == "none"].assign(control="previous_token").astype(COLUMNS)
    return pd.concat([best, table, control], ignore_index=True)


def best_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of probe `best_head`: at every checkpoint the largest score of a layer, since heads have no order."""
    found = []
    for metric, layer in LAYERS.items():
        chosen = rows[(rows["probe"] == "induction_scores") & (rows["metric"] == metric)]
        chosen = chosen if layer is None else chosen[chosen["layer"] == layer]
        best = chosen.groupby(["run", "seed", "control", "step"], as_index=False)["value"].max()
        found += [{**row, "probe": "best_head", "metric": metric} for row in best.to_dict("records")]
    return Reading.of(found).table


def _formed(rows: pd.DataFrame) -> float:
    rows = rows[(rows["probe"] == "best_head") & (rows["metric"] == "prefix_matching")]
    return float(rows.sort_values("step")["value"].iloc[-1]) if len(rows) else math.nan


def _qk_trace(rows: pd.DataFrame) -> float:
    return float(rows[(rows["probe"] == "composition") & (rows["metric"] == "qk_trace")]["value"].max())


def _of_best(metric: str) -> Number:
    return head_score(metric, "prefix_matching", 1)


def _order(first: str, then: str) -> Number:
    return lambda rows: single_value(rows, probe="formation", metric="order", series=first, before=then)


def _apart(rows: pd.DataFrame) -> float:
    return abs(_order(*ORDERS[0])(rows))


def _first(rows: pd.DataFrame) -> float:
    return _order(*ORDERS[1])(rows)
