"""From uniform through unigram to bigram: how attention learns a Markov chain in context ([EDEL])."""

import math
from collections.abc import Iterable, Sequence

import pandas as pd

from analyses.claims.analysis import Evidence, Plot, Size
from analyses.claims.claim import Claim, Measure, Source, Verdict
from analyses.claims.measures.language import shallow, sized_symbols, token_gap
from analyses.claims.tables import Number, single_value
from analyses.plots import language as token_figures
from analyses.plots import regression as figures
from mesa.config.presets import preset
from mesa.config.schema import RunConfig
from probes.language.induction_scores import InductionScores
from probes.language.token_alignment import PHASES, TokenAlignment
from probes.plan import Plan
from probes.reading import Reading

PAPER = "Edelman et al. 2024"
TWO, ONE = "two-layers", "one-layer"


class Markov:
    """Five seeds with two layers, and five with one, which has nothing to build an induction head from."""

    name = "markov"
    title = "Markov chains in context: uniform, unigram, bigram"
    question = (
        "Every sequence comes from a Markov chain of its own. Does a model learn first to ignore the context, then to "
        "count symbols, then to count transitions, and does that last step need a second layer?"
    )
    seeds = 5

    def runs(self, size: Size) -> dict[str, RunConfig]:
        """Chains of four states and 64 symbols; the two models differ in depth alone."""
        two = preset("markov")
        return {TWO: sized_symbols(two, size), ONE: sized_symbols(shallow(two), size)}

    def plans(self, size: Size) -> dict[str, list[Plan]]:
        """Nearness to explicit predictors at every checkpoint, scores of heads at the last."""
        near = TokenAlignment(prompts=64 if size.quick else 512)
        scores = InductionScores(prompts=16 if size.quick else 100)
        blind = ("untrained", "shuffled_tokens", "best_predictor")
        return {
            TWO: [Plan(near, "all", blind), Plan(scores, controls=("untrained", "constructed_induction"))],
            ONE: [Plan(near, "all", blind), Plan(scores, controls=())],
        }

    def compared(self, evidence: Evidence) -> pd.DataFrame:
        """When each phase began."""
        return phase_rows(evidence)

    def claims(self) -> tuple[Claim, ...]:
        """The four rules."""
        blind = {name: Source(TWO, name) for name in ("untrained", "shuffled_tokens")}
        return (
            Claim(
                "phases",
                "In training the model is nearest first to the uniform predictor, then to the unigram, then to the "
                "bigram.",
                f"{PAPER}; the factor is our reading of a phase",
                "the uniform predictor is nearest up to the step at which the unigram first is, and the bigram first "
                "is at a step at least 1.5 times later",
                (Measure("first step of the bigram / of the unigram", "at least", 1.5, _phase("ratio"), ideal=4.0),),
                Source(TWO),
                negative={"one_layer": Source(ONE), "untrained": Source(TWO, "untrained")},
            ),
            Claim(
                "bigram",
                "Two layers come close to the best prediction there is, the smoothed bigram.",
                PAPER,
                "at least 80 % of the gap between the unigram's and the best loss closed",
                (Measure("share of the gap closed", "at least", 0.8, token_gap("unigram", "best"), ideal=1.0),),
                Source(TWO),
                negative={**blind, "one_layer": Source(ONE)},
                positive={"best_predictor": Source(TWO, "best_predictor")},
            ),
            Claim(
                "one-layer",
                "One layer learns to count symbols, and no more.",
                f"{PAPER}; our numbers",
                "at least 70 % of the gap between uniform and unigram closed, at most 30 % of that to the best",
                (
                    Measure("share closed, uniform to unigram", "at least", 0.7, token_gap("uniform", "unigram"), 1.0),
                    Measure("share closed, unigram to best", "at most", 0.3, token_gap("unigram", "best")),
                ),
                Source(ONE),
                negative={"two_layers": Source(TWO), "untrained": Source(ONE, "untrained")},
            ),
            Claim(
                "previous-token",
                "The first layer has become a previous-token head.",
                f"{PAPER}; the number is ours",
                "mean attention to the token before, of layer 0's head, at least 0.5",
                (Measure("previous-token score", "at least", 0.5, _previous, ideal=1.0),),
                Source(TWO),
                negative={"untrained": Source(TWO, "untrained"), "one_layer": Source(ONE)},
                positive={"constructed_induction": Source(TWO, "constructed_induction")},
            ),
        )

    def plots(self, evidence: Evidence, verdicts: Sequence[Verdict]) -> Iterable[Plot]:
        """Verdicts at a glance, training, phases, and heads."""
        yield figures.scores(verdicts)
        levels = ("uniform", "unigram", "best")
        yield token_figures.training(
            evidence,
            {TWO: levels, ONE: levels},
            "Every line is a seed. Two layers pause at the unigram's loss and fall from there to the best; one layer "
            "stays at the unigram's.",
            "No pause, or one layer below the unigram's loss.",
        )
        yield token_figures.divergences(evidence, (TWO, ONE), tuple(PHASES))
        metrics = {"previous_token": "previous token", "prefix_matching": "prefix matching"}
        yield token_figures.head_scores(evidence, (TWO, ONE), metrics)
        yield token_figures.attention(
            evidence,
            (TWO, ONE),
            "the previous-token head of layer 0 is a line below the diagonal, layer 1 attends to what came after "
            "earlier occurrences of the current symbol.",
        )


def phase_rows(evidence: Evidence) -> pd.DataFrame:
    """Rows of probe `phases`, a seed each: from which checkpoint on each predictor is nearest, and their ratio.

    `unigram` and `bigram` are the first checkpoints, after step 0, at which that predictor is the nearest of the three
    in KL; a phase that never came is NaN, and so is `ratio` (bigram / unigram) then, where the bigram came first, or
    where before the unigram anything but the uniform predictor was nearest.
    """
    rows = evidence.rows
    rows = rows[(rows["probe"] == "token_alignment") & (rows["metric"] == "kl") & rows["learner"].isin(list(PHASES))]
    found = []
    for (run, seed, control), part in rows.groupby(["run", "seed", "control"]):
        table = part.pivot_table(index="step", columns="learner", values="value")
        nearest = table[list(PHASES)].idxmin(axis=1)
        first = {name: _first(nearest, name) for name in ("unigram", "bigram")}
        begun = (nearest[nearest.index < first["unigram"]] == "uniform").all() and nearest.iloc[0] == "uniform"
        ratio = first["bigram"] / first["unigram"] if begun and first["bigram"] > first["unigram"] else math.nan
        place = {"run": run, "seed": seed, "control": control, "probe": "phases", "step": int(table.index.max())}
        found += [{**place, "metric": name, "value": value} for name, value in {**first, "ratio": ratio}.items()]
    return Reading.of(found).table


def _first(nearest: pd.Series, name: str) -> float:
    steps = nearest.index[nearest == name]
    steps = steps[steps > 0]
    return float(steps[0]) if len(steps) else math.nan


def _phase(metric: str) -> Number:
    return lambda rows: single_value(rows, probe="phases", metric=metric)


def _previous(rows: pd.DataFrame) -> float:
    scores = rows[(rows["probe"] == "induction_scores") & (rows["metric"] == "previous_token") & (rows["layer"] == 0)]
    return float(scores["value"].max()) if len(scores) else math.nan
