"""The probes by name: what each is about, what it applies to, its default controls, and what a report draws of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from typing_extensions import override

from probes.controls.registry import BOTH, REGRESSION, TOKENS
from tasks.kinds import Prompts
from tasks.registry import Registry, Row, Settings

# Default controls by the subject's reader, else by its kind of prompts.
Controls: TypeAlias = Mapping[str, tuple[str, ...]]
OF_PREDICTIONS: Controls = {
    "regression": ("untrained", "shuffled_labels", "constructed"),
    "interleaved": ("untrained", "shuffled_labels", "reversed_positions", "constructed_interleaved"),
    "tokens": ("untrained", "shuffled_tokens", "constructed_induction"),
}
# Shuffled labels or tokens say nothing about a probe that looks at weights, compares one model's loss with another's,
# reads the labels off the tokens themselves, or shuffles examples itself.
OF_WEIGHTS: Controls = {
    "regression": ("untrained", "constructed"),
    "interleaved": ("untrained", "reversed_positions", "constructed_interleaved"),
    "tokens": ("untrained", "constructed_induction"),
}


@dataclass(frozen=True, kw_only=True)
class ProbeRow(Row):
    """A probe: the kinds of subjects it applies to, its default controls, and how to try it on something small.

    `example` holds small settings, `example_subject` is a function `module:function` that gives a small subject with
    a known answer. `draws` names functions `module:function` of the evidence and a run's name, which yield the plots
    that a report of one run shows of it; without any, the report shows its metrics by control.
    """

    subjects: tuple[Prompts, ...]
    controls: Controls = field(default_factory=lambda: OF_PREDICTIONS)
    example: Settings = field(default_factory=dict)
    example_subject: str
    draws: tuple[str, ...] = ()

    @override
    def targets(self) -> tuple[tuple[str, str], ...]:
        """The probe, its small subject, and the functions that draw it."""
        drawn = (("draws", target) for target in self.draws)
        return (*super().targets(), ("example_subject", self.example_subject), *drawn)


PROBES = Registry(
    "probe",
    ProbeRow,
    {
        "gd_alignment": ProbeRow(
            target="probes.behaviour.gd_alignment:GDAlignment",
            about="predictions and sensitivities, compared with gradient descent's",
            subjects=REGRESSION,
            example={"prompts": 60},
            example_subject="probes.controls.examples:gradient_step",
            draws=("analyses.plots.of_one_run:of_gd_alignment",),
        ),
        "token_alignment": ProbeRow(
            target="probes.language.token_alignment:TokenAlignment",
            about="next-token distributions, compared with uniform, unigram, bigram and the best",
            subjects=TOKENS,
            example={"prompts": 20},
            example_subject="probes.controls.examples:induction",
        ),
        "weight_products": ProbeRow(
            target="probes.weights.weight_products:WeightProducts",
            about="A and V, compared with the construction's",
            subjects=REGRESSION,
            controls=OF_WEIGHTS,
            example={"prompts": 60},
            example_subject="probes.controls.examples:gradient_step",
            draws=("analyses.plots.of_one_run:of_weight_products",),
        ),
        "interpolation": ProbeRow(
            target="probes.weights.interpolation:Interpolation",
            about="the loss halfway to the constructed weights",
            subjects=REGRESSION,
            controls=OF_WEIGHTS,
            example={"prompts": 60},
            example_subject="probes.controls.examples:gradient_step",
        ),
        "out_of_distribution": ProbeRow(
            target="probes.behaviour.out_of_distribution:OutOfDistribution",
            about="losses on shifted prompts",
            subjects=REGRESSION,
            example={"prompts": 60},
            example_subject="probes.controls.examples:gradient_step",
            draws=("analyses.plots.of_one_run:of_out_of_distribution",),
        ),
        "curves": ProbeRow(
            target="probes.behaviour.curves:Curves",
            about="predictions along the input, compared with a learner's and the truth",
            subjects=REGRESSION,
            example={"prompts": 2, "queries": 20},
            example_subject="probes.controls.examples:line",
        ),
        "curvature": ProbeRow(
            target="probes.activations.curvature:Curvature",
            about="GD++'s gamma and step size of every layer, and the spectra of S",
            subjects=REGRESSION,
            controls=OF_WEIGHTS,
            example={"prompts": 60},
            example_subject="probes.controls.examples:two_steps",
        ),
        "head_sum": ProbeRow(
            target="probes.weights.head_sum:HeadSum",
            about="what the heads' weights add up to: sum of eta_h A_h",
            subjects=REGRESSION,
            example_subject="probes.controls.examples:gradient_step",
        ),
        "copying_sensitivity": ProbeRow(
            target="probes.activations.copying_sensitivity:CopyingSensitivity",
            about="what the first layer copies between neighbouring tokens",
            subjects=REGRESSION,
            controls={**OF_PREDICTIONS, "interleaved": OF_WEIGHTS["interleaved"]},
            example={"prompts": 10},
            example_subject="probes.controls.examples:interleaved_step",
        ),
        "layer_matching": ProbeRow(
            target="probes.behaviour.layer_matching:LayerMatching",
            about="which step of which learner each layer is nearest to",
            subjects=REGRESSION,
            example={"prompts": 60},
            example_subject="probes.controls.examples:two_steps",
        ),
        "linear_decoding": ProbeRow(
            target="probes.activations.linear_decoding:LinearDecoding",
            about="X^T y and learners' weights decoded from every layer",
            subjects=REGRESSION,
            example={"prompts": 60},
            example_subject="probes.controls.examples:gradient_step",
        ),
        "label_sensitivity": ProbeRow(
            target="probes.behaviour.label_sensitivity:LabelSensitivity",
            about="how predictions react to every context label, compared with learners'",
            subjects=REGRESSION,
            example={"prompts": 60},
            example_subject="probes.controls.examples:gradient_step",
        ),
        "order_sensitivity": ProbeRow(
            target="probes.behaviour.order_sensitivity:OrderSensitivity",
            about="how predictions spread when the context is permuted",
            subjects=REGRESSION,
            controls=OF_WEIGHTS,
            example={"prompts": 60, "permutations": 4},
            example_subject="probes.controls.examples:gradient_step",
        ),
        "induction_scores": ProbeRow(
            target="probes.language.induction_scores:InductionScores",
            about="previous-token, prefix-matching and copying heads, and losses by position",
            subjects=TOKENS,
            example={"prompts": 10},
            example_subject="probes.controls.examples:induction",
            draws=("analyses.plots.of_one_run:of_induction_scores",),
        ),
        "composition": ProbeRow(
            target="probes.language.composition:Composition",
            about="which head reads what which earlier head writes",
            subjects=TOKENS,
            controls=OF_WEIGHTS,
            example_subject="probes.controls.examples:induction",
            draws=("analyses.plots.of_one_run:of_composition",),
        ),
        "induction_as_gradient_step": ProbeRow(
            target="probes.language.induction_as_gradient_step:InductionAsGradientStep",
            about="the logits that heads write, compared with one gradient step's on the context's pairs",
            subjects=TOKENS,
            example={"prompts": 20},
            example_subject="probes.controls.examples:pair_step",
        ),
        "head_attribution": ProbeRow(
            target="probes.attribution.probe:HeadAttribution",
            about="which heads carry a behaviour: direct writes, ablations, paths, the smallest circuit",
            subjects=BOTH,
            example={"prompts": 60},
            example_subject="probes.controls.examples:two_heads",
            draws=("analyses.plots.of_one_run:of_head_attribution",),
        ),
        "rollout": ProbeRow(
            target="probes.behaviour.rollout:Rollout",
            about="one layer applied again and again",
            subjects=REGRESSION,
            example={"prompts": 60, "applications": 3},
            example_subject="probes.controls.examples:gradient_step",
            draws=("analyses.plots.of_one_run:of_rollout",),
        ),
        "identify": ProbeRow(
            target="probes.behaviour.identify:Identify",
            about="which learner, how many steps, by what margin, or none of them",
            subjects=REGRESSION,
            example={"prompts": 60, "max_steps": 1},
            example_subject="probes.controls.examples:gradient_step",
        ),
    },
)
