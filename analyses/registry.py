"""The analyses and benchmarks as rows of registries: names, sentences and facts; nothing is loaded."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

from tasks.registry import Registry, Row

if TYPE_CHECKING:
    from analyses.benchmarks.timing import BenchResult
    from analyses.claims.analysis import Analysis

SizeName: TypeAlias = Literal["quick", "default", "full"]


@dataclass(frozen=True, kw_only=True)
class AnalysisRow(Row):
    """An analysis: how long its default size takes on two cores, and which sizes it has.

    Its target is a class without arguments that follows `analyses.claims.analysis.Analysis`.
    """

    duration: str
    sizes: tuple[SizeName, ...] = ("quick", "default", "full")

    def analysis(self) -> "Analysis":
        """The analysis itself; this imports what it needs."""
        return cast("Callable[[], Analysis]", self.load())()


@dataclass(frozen=True, kw_only=True)
class BenchRow(Row):
    """A benchmark: its target yields results, dataclasses; `summary` names a function that puts them into words."""

    summary: str = ""

    def results(self) -> "Iterable[BenchResult]":
        """Run it; results come as they are measured."""
        return cast("Callable[[], Iterable[BenchResult]]", self.load())()

    def words(self, results: "Sequence[BenchResult]") -> str:
        """All results in words; empty where the benchmark has no summary."""
        if not self.summary:
            return ""
        return cast("Callable[[Sequence[BenchResult]], str]", Row(target=self.summary, about=self.about).load())(
            results
        )


ANALYSES = Registry(
    "analysis",
    AnalysisRow,
    {
        "one-step": AnalysisRow(
            target="analyses.experiments.one_step.analysis:OneStep",
            about="one trained layer is one gradient step",
            duration="about two minutes",
        ),
        "two-step": AnalysisRow(
            target="analyses.experiments.two_step.analysis:TwoStep",
            about="two tied layers are two steps of GD++",
            duration="about four minutes",
        ),
        "curvature": AnalysisRow(
            target="analyses.experiments.curvature.analysis:CurvatureByContext",
            about="the learned gamma for four context lengths, the spectra, and three layers' weights",
            duration="about ten minutes",
        ),
        "depth": AnalysisRow(
            target="analyses.experiments.depth.analysis:Depth",
            about="five layers, and ten tied ones, compared with GD++",
            duration="about a quarter of an hour",
        ),
        "deep-mlp": AnalysisRow(
            target="analyses.experiments.deep_mlp:DeepMLP",
            about="twelve blocks with heads and MLPs",
            duration="about an hour",
        ),
        "softmax-heads": AnalysisRow(
            target="analyses.experiments.softmax_heads.analysis:SoftmaxHeads",
            about="one softmax head against two",
            duration="about ten minutes",
        ),
        "layer-norm": AnalysisRow(
            target="analyses.experiments.layer_norm.analysis:LayerNorm",
            about="one layer, and two, behind a LayerNorm",
            duration="about eight minutes",
        ),
        "fixed-tasks": AnalysisRow(
            target="analyses.experiments.fixed_tasks.analysis:FixedTasks",
            about="fixed sets of 128 to 8192 prompts, and of 8 to 8192 teachers",
            duration="about twenty minutes",
        ),
        "plateau": AnalysisRow(
            target="analyses.experiments.plateau.analysis:Plateau",
            about="when the loss drops, with one head and with two",
            duration="about three minutes",
        ),
        "sine": AnalysisRow(
            target="analyses.experiments.sine.analysis:Sine",
            about="one gradient step on deep features, on sine curves",
            duration="about five minutes",
        ),
        "copying": AnalysisRow(
            target="analyses.experiments.copying.analysis:Copying",
            about="neighbouring tokens: copy, then descend",
            duration="about ten minutes",
        ),
        "induction": AnalysisRow(
            target="analyses.experiments.induction.analysis:Induction",
            about="induction heads: when they form, of what, and which heads do it",
            duration="about ten minutes",
        ),
        "induction-step": AnalysisRow(
            target="analyses.experiments.induction_step.analysis:InductionStep",
            about="is an induction head a gradient step?",
            duration="about ten minutes",
        ),
        "markov": AnalysisRow(
            target="analyses.experiments.markov.analysis:Markov",
            about="Markov chains: uniform, unigram, bigram",
            duration="about five minutes",
        ),
        "attribution": AnalysisRow(
            target="analyses.experiments.regression_heads.analysis:Attribution",
            about="which heads take the gradient step",
            duration="about five minutes",
        ),
    },
)
BENCHES = Registry(
    "benchmark",
    BenchRow,
    {
        "attribution": BenchRow(
            target="analyses.benchmarks.attribution:rows",
            about="edits of all heads, stacked, compared with one forward pass a head",
        ),
        "identify": BenchRow(
            target="analyses.benchmarks.identify:rows",
            about="planted models and impostors, identified blind: a confusion matrix",
            summary="analyses.benchmarks.identify:summary",
        ),
        "training": BenchRow(
            target="analyses.benchmarks.training:rows",
            about="steps per second by the compiled kernel, by tensors and by the model's own forward pass",
        ),
    },
)
