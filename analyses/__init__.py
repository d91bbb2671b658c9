"""The answers: claims that are stated, measured, judged with their controls, and reported."""

from typing import TYPE_CHECKING

from tasks.lazy import lazily

if TYPE_CHECKING:
    from analyses.claims.analysis import Analysis, Size
    from analyses.claims.claim import Claim, Measure, Source
    from analyses.claims.verdict import Verdict, judge
    from analyses.evidence import Evidence
    from analyses.plots.plot import Plot
    from analyses.registry import ANALYSES

__all__ = [
    "ANALYSES",
    "Analysis",
    "Claim",
    "Evidence",
    "Measure",
    "Plot",
    "Size",
    "Source",
    "Verdict",
    "judge",
]

_EXPORTS = {
    **dict.fromkeys(("Analysis", "Size"), "analyses.claims.analysis"),
    "Evidence": "analyses.evidence",
    "Plot": "analyses.plots.plot",
    "ANALYSES": "analyses.registry",
    **dict.fromkeys(("Claim", "Measure", "Source"), "analyses.claims.claim"),
    **dict.fromkeys(("Verdict", "judge"), "analyses.claims.verdict"),
}
__getattr__ = lazily(__name__, _EXPORTS)
