"""`mesa reproduce` at its default size: which seeds it takes, what it records, and what it does not repeat."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from analyses.claims.judgements import Judgement, record
from analyses.records.folder import results_folder
from analyses.registry import AnalysisRow
from probes.runner import probe_runs
from tasks.registry import _PLUGGED, plug  # pyright: ignore[reportPrivateUsage]
from tests.helpers.command_line import mesa

SOURCE = '''
from analyses.claims.analysis import sized
from analyses.claims.claim import Claim, Measure, Source, controls_of
from mesa.config.schema import RunConfig, TrainingConfig
from probes.behaviour.label_sensitivity import LabelSensitivity
from probes.plan import Plan

BOUND = 100.0


def size(rows):
    """The mean of everything."""
    return float(rows["value"].abs().mean())


class Tiny:
    name, title, question, seeds, developed_on = "tiny", "A tiny analysis", "Is it tiny?", 2, 2

    def runs(self, size):
        training = TrainingConfig(steps=4, batch=8, held_out=16, evaluate_every=1)
        task = {"name": "linear_regression", "d_in": 2, "context": 3}
        return {"small": sized(RunConfig(task=task, training=training), size)}

    def plans(self, size):
        return {"small": [Plan(LabelSensitivity(prompts=20, learners=()), controls=("untrained",))]}

    def claims(self):
        measure = Measure("|size|", "at least", BOUND, size, ideal=200.0)
        rule = "mean of everything at least a hundred"
        return (Claim("huge", "It is huge.", "nobody", rule, (measure,), Source("small")),)

    def compared(self, evidence):
        return evidence.rows.iloc[:0]

    def plots(self, evidence, verdicts):
        return ()
'''


@pytest.fixture
def reproduced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., tuple[int, str, str]]]:
    """`mesa reproduce tiny` in an empty folder, with a source that may be changed from call to call."""
    monkeypatch.chdir(tmp_path)
    # With run-time type checks in every call, all code of this project takes half a minute to read.
    monkeypatch.setattr("analyses.digests.result.CODE", ("analyses/judging.py",))
    plugged = dict(_PLUGGED.get("analysis", {}))
    calls = iter(range(100))

    def call(*arguments: object, before: str = "", after: str = "") -> tuple[int, str, str]:
        # A module of another name each time: Python keeps those that it has imported.
        module = f"{tmp_path.name}_{next(calls)}"
        assert before in SOURCE
        (tmp_path / f"{module}.py").write_text(SOURCE.replace(before, after) if before else SOURCE)
        plug("analysis", {"tiny": AnalysisRow(target=f"{module}:Tiny", about="tiny", duration="a second")})
        return mesa(capfd, "reproduce", "tiny", "--workers", 1, *arguments)

    monkeypatch.syspath_prepend(tmp_path)
    yield call
    _PLUGGED["analysis"] = plugged


def judged(file: str = "out/results/judged.json") -> list[tuple[str, list[int], str]]:
    return [(row["size"], row["seeds"], row["status"]) for row in json.loads(Path(file).read_text())]


def test_a_judgement_is_recorded_kept_and_not_repeated(reproduced: Callable[..., tuple[int, str, str]]) -> None:
    code, out, err = reproduced()
    assert (code, "huge" in out) == (0, True), err
    assert Path("out/tiny/runs/small/seed-101").is_dir() and Path("out/tiny/index.html").exists()
    status = judged()[0][2]
    assert judged() == [("default", [100, 101], status)] and status != "exploratory"
    kept = Path("out/results/tiny")
    assert sorted(path.name for path in kept.iterdir()) == ["claims.md", "results.json"]
    results = json.loads((kept / "results.json").read_text())
    assert results["claims"][0]["verdict"] == status
    assert results["rules"].keys() == {"huge"}
    text = (kept / "claims.md").read_text()
    assert "seeds 100-101" in text and "\\|size\\|" in text and f"**{status}**" in text
    assert "Rules, with their sources" in text and "- **huge**: " in text
    # Again: one line, and nothing is written. A comment or a docstring is no other code.
    page = Path("out/tiny/index.html")
    page.unlink()
    for change in ({}, {"before": "The mean of everything.", "after": "Another docstring."}):
        code, out, _ = reproduced(**change)
        assert (code, out.count("\n")) == (0, 1)
        assert "out/results/tiny" in out and "--again" in out and not page.exists()
    assert reproduced("--again")[0] == 0
    assert page.exists() and judged() == [("default", [100, 101], status)]


def test_a_changed_rule_takes_new_seeds_or_is_exploratory(reproduced: Callable[..., tuple[int, str, str]]) -> None:
    assert reproduced()[0] == 0
    amended = {"before": "BOUND = 100.0", "after": "BOUND = 90.0"}
    code, out, err = reproduced(**amended)
    assert code == 0, err
    assert "exploratory" not in out and Path("out/tiny-from-200/index.html").exists()
    assert [seeds for _, seeds, _ in judged()] == [[100, 101], [200, 201]]
    # The first rule still has its own seeds, and its result is made again, since there is one folder for both. The
    # report of each lies where its runs are: in a folder of their own where there are some of other seeds.
    assert "report: out/tiny/index.html" in reproduced()[1]
    # On the seeds of the first rule the second one is exploratory, and the terminal and the page say why.
    code, out, _ = reproduced("--seeds-from", 100, "--out", "out/same-seeds", **amended)
    assert code == 0
    assert "huge: exploratory: the analysis was judged on seeds 100-101 before it had this rule" in out
    page = re.sub(r"\s+", " ", Path("out/same-seeds/index.html").read_text())
    assert 'class="verdict exploratory"' in page and "Only seeds that are new to a rule can confirm it." in page
    assert ("default", [100, 101], "exploratory") in judged()
    assert Path("out/results/tiny-from-100/claims.md").read_text().count("exploratory") >= 1


def test_seeds_of_development_are_exploratory_and_a_quick_run_leaves_no_record(
    reproduced: Callable[..., tuple[int, str, str]],
) -> None:
    assert reproduced("--quick")[0] == 0
    assert Path("out/tiny-quick/runs/small/seed-0").is_dir() and not Path("out/results").exists()
    code, out, _ = reproduced("--seeds-from", 1)
    assert (code, "huge: exploratory: the rule was developed on seeds 1;" in out) == (0, True), out
    assert judged() == [("default", [1, 2], "exploratory")]


def test_a_checkout_s_record_counts_where_results_go_elsewhere(
    reproduced: Callable[..., tuple[int, str, str]],
) -> None:
    Path("docs/results").mkdir(parents=True)
    assert reproduced()[0] == 0
    assert judged("docs/results/judged.json")[0][1] == [100, 101] and not Path("out/results").exists()
    assert reproduced("--results", "mine", before="BOUND = 100.0", after="BOUND = 90.0")[0] == 0
    assert judged("mine/judged.json")[0][1] == [200, 201]
    assert len(judged("docs/results/judged.json")) == 1


def test_a_damaged_record_stops_the_command_before_it_trains(
    reproduced: Callable[..., tuple[int, str, str]],
) -> None:
    Path("mine").mkdir()
    Path("mine/judged.json").write_text("[")
    code, _, err = reproduced("--results", "mine")
    assert (code, err.count("\n"), "mine/judged.json: not JSON" in err) == (2, 1, True), err
    assert not Path("out").exists() and Path("mine/judged.json").read_text() == "["


@pytest.mark.parametrize("content", ["[" * 100_000, '{"digest": "half', "[]"])
def test_a_damaged_result_is_made_again(content: str, reproduced: Callable[..., tuple[int, str, str]]) -> None:
    Path("mine/tiny").mkdir(parents=True)
    Path("mine/tiny/results.json").write_text(content)
    code, _, err = reproduced("--results", "mine")
    assert code == 0, err
    assert json.loads(Path("mine/tiny/results.json").read_text())["claims"][0]["id"] == "huge"
    # A result is whole with both of its files.
    Path("mine/tiny/claims.md").unlink()
    assert reproduced("--results", "mine")[0] == 0
    assert Path("mine/tiny/claims.md").is_file()


def test_a_place_where_no_result_can_be_kept_is_refused_before_training(
    reproduced: Callable[..., tuple[int, str, str]],
) -> None:
    Path("mine").mkdir()
    Path("mine/tiny").write_text("a file")
    assert reproduced("--results", "mine")[::2] == (2, "mesa: error: mine/tiny: is a file, not a directory\n")
    assert not Path("out").exists()


def test_another_rule_that_is_judged_meanwhile_uses_up_the_seeds(
    reproduced: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def probe_while_another_is_judged(*arguments: Any, **options: Any) -> object:
        record(Path("mine"), [Judgement("tiny", "huge", "another rule", "default", (100,), "fails")])
        return probe_runs(*arguments, **options)

    monkeypatch.setattr("analyses.reproduce.probe_runs", probe_while_another_is_judged)
    code, out, err = reproduced("--results", "mine")
    assert code == 0, err
    assert "huge: exploratory: the analysis was judged on seeds 100 before it had this rule" in out
    assert ("default", [100, 101], "exploratory") in judged("mine/judged.json")


def test_results_lie_with_the_sources_or_beside_the_report(tmp_path: Path) -> None:
    out = tmp_path / "out" / "one-step"
    (inner := tmp_path / "a" / "b").mkdir(parents=True)
    assert results_folder(out, inner) == tmp_path / "out" / "results"
    project = tmp_path / "a" / "pyproject.toml"
    project.write_text('[project]\nname = "another"\n')
    assert results_folder(out, inner) == tmp_path / "out" / "results"
    project.write_text('[project]\nname = "mesa-probes"\n')
    assert results_folder(out, inner) == tmp_path / "a" / "docs" / "results"
    (inner / "docs" / "results").mkdir(parents=True)
    assert results_folder(out, inner) == inner / "docs" / "results"
