"""Reports whose numbers and texts are tested, without the time that their pictures take."""

import pytest


@pytest.fixture
def unrendered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are drawn, and not turned into SVG and PDF, which takes most of a report's time."""
    monkeypatch.setattr("analyses.report.page.rendered", lambda figure, kind: b"<svg/>")
