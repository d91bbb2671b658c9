"""The questions: what is measured on a model, beside explicit algorithms and controls."""

from typing import TYPE_CHECKING

from tasks.lazy import lazily

if TYPE_CHECKING:
    from probes.composition import Composition
    from probes.controls import CONTROLS
    from probes.copying_sensitivity import CopyingSensitivity
    from probes.curvature import Curvature
    from probes.curves import Curves
    from probes.formation import Formation
    from probes.gd_alignment import GDAlignment
    from probes.head_attribution import HeadAttribution
    from probes.head_roles import ranked
    from probes.head_sum import HeadSum
    from probes.identify import Identify
    from probes.induction_as_gradient_step import InductionAsGradientStep
    from probes.induction_scores import InductionScores
    from probes.interpolation import Interpolation
    from probes.layer_matching import LayerMatching
    from probes.linear_decoding import LinearDecoding
    from probes.order_sensitivity import OrderSensitivity
    from probes.out_of_distribution import OutOfDistribution
    from probes.pretrained import load_pretrained, pretrained_subject
    from probes.probe import Comparison, Probe
    from probes.reading import COLUMNS, Reading
    from probes.readouts import READOUTS, Readout
    from probes.rollout import Rollout
    from probes.series import Series
    from probes.subject import Subject
    from probes.suite import Plan, probe_runs, probe_subjects
    from probes.weight_products import WeightProducts

__all__ = [
    "COLUMNS",
    "CONTROLS",
    "READOUTS",
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
    "LayerMatching",
    "LinearDecoding",
    "OrderSensitivity",
    "OutOfDistribution",
    "Plan",
    "Probe",
    "Reading",
    "Readout",
    "Rollout",
    "Series",
    "Subject",
    "WeightProducts",
    "load_pretrained",
    "pretrained_subject",
    "probe_runs",
    "probe_subjects",
    "ranked",
]

_EXPORTS = {
    "CONTROLS": "probes.controls",
    "Composition": "probes.composition",
    "CopyingSensitivity": "probes.copying_sensitivity",
    "Curvature": "probes.curvature",
    "Curves": "probes.curves",
    "Formation": "probes.formation",
    "GDAlignment": "probes.gd_alignment",
    "HeadAttribution": "probes.head_attribution",
    "HeadSum": "probes.head_sum",
    "Identify": "probes.identify",
    "InductionAsGradientStep": "probes.induction_as_gradient_step",
    "InductionScores": "probes.induction_scores",
    "Interpolation": "probes.interpolation",
    "LayerMatching": "probes.layer_matching",
    "LinearDecoding": "probes.linear_decoding",
    "OrderSensitivity": "probes.order_sensitivity",
    "OutOfDistribution": "probes.out_of_distribution",
    **dict.fromkeys(("load_pretrained", "pretrained_subject"), "probes.pretrained"),
    **dict.fromkeys(("Comparison", "Probe"), "probes.probe"),
    **dict.fromkeys(("COLUMNS", "Reading"), "probes.reading"),
    **dict.fromkeys(("READOUTS", "Readout"), "probes.readouts"),
    "Rollout": "probes.rollout",
    "Series": "probes.series",
    "Subject": "probes.subject",
    **dict.fromkeys(("Plan", "probe_runs", "probe_subjects"), "probes.suite"),
    "WeightProducts": "probes.weight_products",
    "ranked": "probes.head_roles",
}
__getattr__ = lazily(__name__, _EXPORTS)
