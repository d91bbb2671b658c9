"""A report is one self-contained page: nothing from a configuration reaches it unescaped, nothing is fetched."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from analyses.cli import main
from analyses.report.run_report import write_run
from mesa import Run, UserError, train
from mesa.config.yaml import parse
from probes import GDAlignment, Plan, Rollout, WeightProducts, probe_runs

SMALL = {
    "task": {"name": "linear_regression", "d_in": 3, "context": 4},
    "training": {"steps": 20, "batch": 16, "evaluate_every": 5, "held_out": 32},
    "seeds": 2,
}
PLANS = [
    Plan(GDAlignment(prompts=50), "all"),
    Plan(WeightProducts(prompts=50)),
    Plan(Rollout(prompts=20, applications=3)),
]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = Run.create(tmp_path_factory.mktemp("runs") / "a&b<script>alert(1)</script>"[:3], parse(SMALL))
    train(run)
    probe_runs([(run, PLANS)])
    return write_run(run)


class Tags(HTMLParser):
    """Every tag and attribute of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_the_page_loads_nothing(page: Path) -> None:
    tags = Tags(page.read_text()).found
    assert not {tag for tag, _ in tags} & {"script", "link", "iframe", "object", "embed", "base", "form"}
    sources = [
        attributes[name] or "" for _, attributes in tags for name in ("src", "href", "srcset") if name in attributes
    ]
    assert sources and all(source.startswith("data:image/svg+xml;base64,") for source in sources)
    assert not re.search(r"url\(|@import", page.read_text())
    assert not [name for _, attributes in tags for name in attributes if name.startswith("on")]


def test_text_from_a_run_is_escaped(page: Path) -> None:
    text = page.read_text()
    assert "a&amp;b" in text
    assert "a&b" not in text


def test_text_from_a_configuration_is_escaped(tmp_path: Path) -> None:
    """The template escapes whatever text it is given, also in titles and reasons."""
    from analyses.report.page import _template
    from probes.probe import Skipped

    evil = "<img src=x onerror=alert(1)>"
    views = {"plots": [], "runs": [{"name": evil, "config": evil, "ends": [{"seed": 0, "status": evil}]}]}
    rest = {
        "skipped": [Skipped(evil, evil, evil)],
        "diverged": [evil],
        "undertrained": [evil],
        "versions": {evil: evil},
    }
    text = _template().render(title=evil, question=evil, commit=evil, **views, **rest)
    assert evil not in text and text.count("&lt;img") >= 10


def test_two_reports_of_one_run_are_the_same_bytes(page: Path) -> None:
    files = {path: path.read_bytes() for path in page.parent.rglob("*") if path.is_file()}
    assert {path.suffix for path in files} == {".html", ".svg", ".pdf", ".csv", ".parquet", ".json"}
    write_run(Run.open(page.parent.parent))
    assert all(path.read_bytes() == content for path, content in files.items())


def test_every_figure_has_its_numbers(page: Path) -> None:
    for figure in (page.parent / "figures").glob("*.svg"):
        lines = (page.parent / "data" / f"{figure.stem}.csv").read_text().splitlines()
        assert len(lines) > 2, f"{figure.stem} was drawn from nothing"


def test_a_run_that_was_not_probed_cannot_be_reported(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="mesa probe"):
        write_run(Run.create(tmp_path / "run", parse(SMALL)))


def test_results_are_valid_json_even_where_nothing_is_defined() -> None:
    from analyses.report.results import _finite

    assert json.loads(json.dumps([_finite(float("nan")), _finite(float("inf")), _finite(1.0)])) == [None, "inf", 1.0]


def test_main_is_the_entry_point() -> None:
    assert callable(main)
