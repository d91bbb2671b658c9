"""What a report of one run draws of each probe; the probes' rows name these functions."""

from collections.abc import Iterator
from dataclasses import replace

from analyses.evidence import Evidence
from analyses.plots import attribution, language, regression, shifts, weights
from analyses.plots.plot import Plot
from tasks.registry import READERS

_STILL_FALLING = "A loss that is still falling at the end: all readings of such a model are provisional."
_TOKEN_LOSSES = (
    "The held-out loss of every seed, and the losses of explicit predictors where `token_alignment` measured them."
)
_REGRESSION_LOSSES = (
    "The loss of every seed on training prompts and on held-out ones, and the losses of the tuned learners (dashed)."
)
_HEAD_SCORES = {
    "previous_token": "previous token",
    "prefix_matching": "prefix matching",
    "copied_share": "share that is copied",
}


def learning_curves(evidence: Evidence, run: str) -> Plot:
    """The losses of every seed over training, compared with those of explicit algorithms."""
    if READERS[evidence.runs[run].config.reader].prompts == "tokens":
        return language.training(evidence, {run: ("uniform", "unigram", "best")}, _TOKEN_LOSSES, _STILL_FALLING)
    return replace(regression.learning_curves(evidence), look=_REGRESSION_LOSSES, against=_STILL_FALLING)


def of_gd_alignment(evidence: Evidence, run: str) -> Iterator[Plot]:
    """Agreement with gradient descent over training."""
    yield regression.alignment(evidence, run, "gd")


def of_out_of_distribution(evidence: Evidence, run: str) -> Iterator[Plot]:
    """Losses on shifted prompts, compared with gradient descent's and, where it was asked, GD++'s."""
    learners = set(evidence.rows["learner"].dropna())
    known = tuple(name for name in ("gd", "gd_plus_plus") if name in learners)
    yield shifts.shifts(evidence, run, known, "the learner that it matches")


def of_rollout(evidence: Evidence, run: str) -> Iterator[Plot]:
    """Losses of repeated application."""
    yield regression.rollout(evidence, run)


def of_weight_products(evidence: Evidence, run: str) -> Iterator[Plot]:
    """Weight products and attention patterns, compared with the construction's."""
    yield replace(
        weights.weights(evidence, (run,)),
        look="A = W_Q W_K^T and V = W_V W_O after rescaling, compared with those of tuned gradient descent. Hatched "
        "entries cannot change the prediction and are not scored.",
    )
    yield weights.attention(evidence, run)


def of_induction_scores(evidence: Evidence, run: str) -> Iterator[Plot]:
    """Scores and attention of every head."""
    yield language.head_scores(evidence, (run,), _HEAD_SCORES)
    yield language.attention(evidence, (run,), "a block of random symbols, repeated.")


def of_composition(evidence: Evidence, run: str) -> Iterator[Plot]:
    """How much later heads read of what earlier ones write."""
    yield language.compositions(evidence, (run,))


def of_head_attribution(evidence: Evidence, run: str) -> Iterator[Plot]:
    """Effects of every head, what each ablation leaves and, where there are several layers, paths between heads."""
    yield attribution.effects(evidence, (run,))
    yield attribution.conditions(evidence, (run,))
    rows = evidence.rows[evidence.rows["probe"] == "head_attribution"]
    if rows["to_input"].isin(["q", "k", "v"]).any():
        yield attribution.paths(evidence, (run,))
