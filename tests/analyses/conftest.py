"""Reports whose numbers and texts are tested, without the time that their pictures take."""

from collections.abc import Iterator

import pytest

from analyses.plots import style


@pytest.fixture
def unrendered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are drawn, and not turned into SVG and PDF, which takes most of a report's time."""
    monkeypatch.setattr("analyses.report.page.rendered", lambda figure, kind: b"<svg/>")


@pytest.fixture(scope="session", autouse=True)
def type_3_fonts() -> Iterator[None]:
    """To embed TrueType fonts takes a quarter of a second a figure; one test of its own looks at them."""
    before, style.PDF_FONTS = style.PDF_FONTS, 3
    yield
    style.PDF_FONTS = before
