"""The answers: claims that are stated, measured, judged beside controls, and reported."""

from typing import TYPE_CHECKING

from tasks.lazy import lazily

if TYPE_CHECKING:
    from analyses.analysis import Analysis, Evidence, Plot, Size
    from analyses.catalogue import ANALYSES, analysis_of
    from analyses.claim import Claim, Measure, Source, Verdict, judge

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
    "analysis_of",
    "judge",
]

_EXPORTS = {
    **dict.fromkeys(("Analysis", "Evidence", "Plot", "Size"), "analyses.analysis"),
    **dict.fromkeys(("ANALYSES", "analysis_of"), "analyses.catalogue"),
    **dict.fromkeys(("Claim", "Measure", "Source", "Verdict", "judge"), "analyses.claim"),
}
__getattr__ = lazily(__name__, _EXPORTS)
