"""The questions: what is measured on a model, beside explicit algorithms and controls."""

from typing import TYPE_CHECKING

from tasks.lazy import lazily

if TYPE_CHECKING:
    from probes.controls import CONTROLS
    from probes.curvature import Curvature
    from probes.curves import Curves
    from probes.gd_alignment import GDAlignment
    from probes.head_sum import HeadSum
    from probes.identify import Identify
    from probes.interpolation import Interpolation
    from probes.layer_matching import LayerMatching
    from probes.linear_decoding import LinearDecoding
    from probes.order_sensitivity import OrderSensitivity
    from probes.out_of_distribution import OutOfDistribution
    from probes.probe import Comparison, Probe
    from probes.reading import COLUMNS, Reading
    from probes.rollout import Rollout
    from probes.subject import Subject
    from probes.suite import Plan, probe_runs, probe_subjects
    from probes.weight_products import WeightProducts

__all__ = [
    "COLUMNS",
    "CONTROLS",
    "Comparison",
    "Curvature",
    "Curves",
    "GDAlignment",
    "HeadSum",
    "Identify",
    "Interpolation",
    "LayerMatching",
    "LinearDecoding",
    "OrderSensitivity",
    "OutOfDistribution",
    "Plan",
    "Probe",
    "Reading",
    "Rollout",
    "Subject",
    "WeightProducts",
    "probe_runs",
    "probe_subjects",
]

_EXPORTS = {
    "CONTROLS": "probes.controls",
    "Curvature": "probes.curvature",
    "Curves": "probes.curves",
    "GDAlignment": "probes.gd_alignment",
    "HeadSum": "probes.head_sum",
    "Identify": "probes.identify",
    "Interpolation": "probes.interpolation",
    "LayerMatching": "probes.layer_matching",
    "LinearDecoding": "probes.linear_decoding",
    "OrderSensitivity": "probes.order_sensitivity",
    "OutOfDistribution": "probes.out_of_distribution",
    **dict.fromkeys(("Comparison", "Probe"), "probes.probe"),
    **dict.fromkeys(("COLUMNS", "Reading"), "probes.reading"),
    "Rollout": "probes.rollout",
    "Subject": "probes.subject",
    **dict.fromkeys(("Plan", "probe_runs", "probe_subjects"), "probes.suite"),
    "WeightProducts": "probes.weight_products",
}
__getattr__ = lazily(__name__, _EXPORTS)
