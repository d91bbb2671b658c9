"""Journals refuse fonts of type 3, which is matplotlib's default."""

import pytest

from analyses.plots import style
from analyses.report.page import rendered


def test_a_pdf_embeds_truetype_fonts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(style, "PDF_FONTS", 42)
    with style.styled():
        figure, (panel,) = style.grid(1, 1)
        panel.set_title("title")
        pdf = rendered(figure, "pdf")
    assert b"/Type3" not in pdf and b"/CIDFontType2" in pdf
