"""The analyses by name; only names and sentences, nothing is loaded."""

from importlib import import_module
from typing import TYPE_CHECKING

from mesa.errors import unknown

if TYPE_CHECKING:
    from analyses.analysis import Analysis

ANALYSES = {
    "one-step": ("analyses.one_step", "OneStep", "one trained layer is one gradient step; about two minutes"),
    "two-step": ("analyses.two_step", "TwoStep", "two tied layers are two steps of GD++; about four minutes"),
    "curvature": (
        "analyses.curvature",
        "CurvatureByContext",
        "the learned gamma for four context lengths, and the spectra; about five minutes",
    ),
    "depth": ("analyses.depth", "Depth", "five layers, and ten tied ones, beside GD++; about seven minutes"),
    "deep-mlp": ("analyses.deep_mlp", "DeepMLP", "twelve blocks with heads and MLPs; only with --full, hours"),
    "softmax-heads": ("analyses.softmax_heads", "SoftmaxHeads", "one softmax head against two; about four minutes"),
    "layer-norm": ("analyses.layer_norm", "LayerNorm", "one layer behind a LayerNorm; about two minutes"),
    "fixed-tasks": ("analyses.fixed_tasks", "FixedTasks", "8 to 8192 training tasks; about three minutes"),
    "plateau": ("analyses.plateau", "Plateau", "when the drop comes, one head and two; about three minutes"),
    "sine": ("analyses.sine", "Sine", "one gradient step on deep features, on sine curves; about five minutes"),
    "copying": ("analyses.copying", "Copying", "neighbouring tokens: copy, then descend; about ten minutes"),
    "induction": ("analyses.induction", "Induction", "induction heads: when, of what, and who does it; ten minutes"),
    "induction-step": ("analyses.induction_step", "InductionStep", "is an induction head a gradient step? ten minutes"),
    "markov": ("analyses.markov", "Markov", "Markov chains: uniform, unigram, bigram; about five minutes"),
    "attribution": ("analyses.attribution", "Attribution", "which heads take the gradient step; about five minutes"),
}
BENCHES = {
    "attribution": ("analyses.bench_attribution", "edits of all heads, stacked, beside one forward pass a head"),
    "identify": ("analyses.bench_identify", "planted models and impostors named blind: a confusion matrix"),
    "training": ("analyses.bench_training", "steps per second beside a plain loop over the model's forward pass"),
}


def analysis_of(name: str) -> "Analysis":
    """The analysis of this name; UserError, with the nearest name, where there is none."""
    if name not in ANALYSES:
        raise unknown("analysis", name, ANALYSES)
    module, cls, _ = ANALYSES[name]
    return getattr(import_module(module), cls)()
