"""The questions: what is measured on a model, and compared with explicit algorithms and controls."""

from typing import TYPE_CHECKING

from tasks.lazy import lazily

if TYPE_CHECKING:
    from probes.activations.copying_sensitivity import CopyingSensitivity
    from probes.activations.curvature import Curvature
    from probes.activations.linear_decoding import LinearDecoding
    from probes.attribution.probe import HeadAttribution
    from probes.attribution.readouts import Readout
    from probes.attribution.registry import READOUTS
    from probes.attribution.roles import ranked
    from probes.behaviour.curves import Curves
    from probes.behaviour.gd_alignment import GDAlignment
    from probes.behaviour.identify import Identify
    from probes.behaviour.label_sensitivity import LabelSensitivity
    from probes.behaviour.layer_matching import LayerMatching
    from probes.behaviour.order_sensitivity import OrderSensitivity
    from probes.behaviour.out_of_distribution import OutOfDistribution
    from probes.behaviour.rollout import Rollout
    from probes.controls.registry import CONTROLS
    from probes.language.composition import Composition
    from probes.language.induction_as_gradient_step import InductionAsGradientStep
    from probes.language.induction_scores import InductionScores
    from probes.measure import probe_subjects
    from probes.plan import Plan
    from probes.pretrained import load_pretrained, pretrained_subject
    from probes.probe import Comparison, Probe, ProbeOf
    from probes.readings.arrays import ArrayKey
    from probes.readings.reading import Reading
    from probes.readings.schema import COLUMNS
    from probes.registry import PROBES
    from probes.runner import probe_runs
    from probes.subject import LanguageSubject, RegressionSubject, Subject, View
    from probes.training_time.formation import Formation
    from probes.training_time.series import Series
    from probes.weights.head_sum import HeadSum
    from probes.weights.interpolation import Interpolation
    from probes.weights.weight_products import WeightProducts

__all__ = [
    "COLUMNS",
    "CONTROLS",
    "PROBES",
    "READOUTS",
    "ArrayKey",
    "Comparison",
    "Composition",
    "CopyingSensitivity",
    "Curvature",
    "Curves",
    "Formation",
    "GDAlignment",
    "HeadAttribution",
    "HeadSum",
    "Identify",
    "InductionAsGradientStep",
    "InductionScores",
    "Interpolation",
    "LabelSensitivity",
    "LanguageSubject",
    "LayerMatching",
    "LinearDecoding",
    "OrderSensitivity",
    "OutOfDistribution",
    "Plan",
    "Probe",
    "ProbeOf",
    "Reading",
    "Readout",
    "RegressionSubject",
    "Rollout",
    "Series",
    "Subject",
    "View",
    "WeightProducts",
    "load_pretrained",
    "pretrained_subject",
    "probe_runs",
    "probe_subjects",
    "ranked",
]

_EXPORTS = {
    "CONTROLS": "probes.controls.registry",
    "PROBES": "probes.registry",
    "Composition": "probes.language.composition",
    "CopyingSensitivity": "probes.activations.copying_sensitivity",
    "Curvature": "probes.activations.curvature",
    "Curves": "probes.behaviour.curves",
    "Formation": "probes.training_time.formation",
    "GDAlignment": "probes.behaviour.gd_alignment",
    "HeadAttribution": "probes.attribution.probe",
    "HeadSum": "probes.weights.head_sum",
    "Identify": "probes.behaviour.identify",
    "InductionAsGradientStep": "probes.language.induction_as_gradient_step",
    "InductionScores": "probes.language.induction_scores",
    "Interpolation": "probes.weights.interpolation",
    "LabelSensitivity": "probes.behaviour.label_sensitivity",
    "LayerMatching": "probes.behaviour.layer_matching",
    "LinearDecoding": "probes.activations.linear_decoding",
    "OrderSensitivity": "probes.behaviour.order_sensitivity",
    "OutOfDistribution": "probes.behaviour.out_of_distribution",
    **dict.fromkeys(("load_pretrained", "pretrained_subject"), "probes.pretrained"),
    **dict.fromkeys(("Comparison", "Probe", "ProbeOf"), "probes.probe"),
    "ArrayKey": "probes.readings.arrays",
    "COLUMNS": "probes.readings.schema",
    "Reading": "probes.readings.reading",
    "READOUTS": "probes.attribution.registry",
    "Readout": "probes.attribution.readouts",
    "Rollout": "probes.behaviour.rollout",
    "Series": "probes.training_time.series",
    **dict.fromkeys(("LanguageSubject", "RegressionSubject", "Subject", "View"), "probes.subject"),
    "Plan": "probes.plan",
    "probe_runs": "probes.runner",
    "probe_subjects": "probes.measure",
    "WeightProducts": "probes.weights.weight_products",
    "ranked": "probes.attribution.roles",
}
__getattr__ = lazily(__name__, _EXPORTS)
