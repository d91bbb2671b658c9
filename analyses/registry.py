"""The analyses by name; only names and sentences, nothing is loaded."""

from importlib import import_module
from typing import TYPE_CHECKING

from mesa.errors import unknown

if TYPE_CHECKING:
    from analyses.claims.analysis import Analysis

ANALYSES = {
    "one-step": (
        "analyses.experiments.one_step",
        "OneStep",
        "one trained layer is one gradient step; about two minutes",
    ),
    "two-step": (
        "analyses.experiments.two_step",
        "TwoStep",
        "two tied layers are two steps of GD++; about four minutes",
    ),
    "curvature": (
        "analyses.experiments.curvature.analysis",
        "CurvatureByContext",
        "the learned gamma for four context lengths, and the spectra; about five minutes",
    ),
    "depth": (
        "analyses.experiments.depth.analysis",
        "Depth",
        "five layers, and ten tied ones, beside GD++; about seven minutes",
    ),
    "deep-mlp": (
        "analyses.experiments.deep_mlp",
        "DeepMLP",
        "twelve blocks with heads and MLPs; only with --full, hours",
    ),
    "softmax-heads": (
        "analyses.experiments.softmax_heads",
        "SoftmaxHeads",
        "one softmax head against two; about four minutes",
    ),
    "layer-norm": (
        "analyses.experiments.layer_norm.analysis",
        "LayerNorm",
        "one layer behind a LayerNorm; about two minutes",
    ),
    "fixed-tasks": (
        "analyses.experiments.fixed_tasks.analysis",
        "FixedTasks",
        "8 to 8192 training tasks; about three minutes",
    ),
    "plateau": (
        "analyses.experiments.plateau.analysis",
        "Plateau",
        "when the drop comes, one head and two; about three minutes",
    ),
    "sine": (
        "analyses.experiments.sine.analysis",
        "Sine",
        "one gradient step on deep features, on sine curves; about five minutes",
    ),
    "copying": (
        "analyses.experiments.copying.analysis",
        "Copying",
        "neighbouring tokens: copy, then descend; about ten minutes",
    ),
    "induction": (
        "analyses.experiments.induction.analysis",
        "Induction",
        "induction heads: when, of what, and who does it; ten minutes",
    ),
    "induction-step": (
        "analyses.experiments.induction_step.analysis",
        "InductionStep",
        "is an induction head a gradient step? ten minutes",
    ),
    "markov": ("analyses.experiments.markov", "Markov", "Markov chains: uniform, unigram, bigram; about five minutes"),
    "attribution": (
        "analyses.experiments.attribution",
        "Attribution",
        "which heads take the gradient step; about five minutes",
    ),
}
BENCHES = {
    "attribution": ("analyses.benchmarks.attribution", "edits of all heads, stacked, beside one forward pass a head"),
    "identify": ("analyses.benchmarks.identify", "planted models and impostors named blind: a confusion matrix"),
    "training": ("analyses.benchmarks.training", "steps per second beside a plain loop over the model's forward pass"),
}


def analysis_of(name: str) -> "Analysis":
    """The analysis of this name; UserError, with the nearest name, where there is none."""
    if name not in ANALYSES:
        raise unknown("analysis", name, ANALYSES)
    module, cls, _ = ANALYSES[name]
    return getattr(import_module(module), cls)()
