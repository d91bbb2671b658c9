"""A rule's digest changes where the rule, its code or its models' settings do, and nowhere else."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from analyses.claims.analysis import Size
from analyses.digests.rule import rule_digests
from analyses.registry import ANALYSES

SOURCE = '''
"""An analysis of one claim."""

from functools import partial

from analyses.claims.analysis import sized, with_training
from analyses.claims.claim import Claim, Measure, Source, controls_of
from mesa.config.schema import RunConfig
from probes.behaviour.gd_alignment import GDAlignment
from probes.behaviour.rollout import Rollout
from probes.plan import Plan

LIMIT = 3.0
LATER = {"b": 1, "a": 2}


def helper(rows):
    """Twice the mean."""
    return rows["value"].mean() * 2  # a comment


def number(power, probe="gd_alignment"):
    square = lambda value: value**power
    return lambda rows: square(min(helper(rows[rows["probe"] == probe]), LIMIT))


class Own:
    name, title, question, seeds, developed_on = "own", "Own", "Own?", 2, 2

    def runs(self, size):
        run = with_training(RunConfig(), learning_rate=1e-3)
        return {"run": sized(run, size), "other": sized(with_training(run, steps=7), size)}

    def plans(self, size):
        return {"run": [Plan(GDAlignment(prompts=100)), Plan(Rollout(prompts=50))]}

    def claims(self):
        measure = Measure("number", "at most", 1.0, number(2), ideal=0.5)
        return (
            Claim(
                "first", "A sentence.", "A paper", "the number is at most 1", (measure,), Source("run"),
                negative=controls_of("run", "untrained"), explaining={"shown": Source("other")},
            ),
        )

    def compared(self, evidence):
        return self.chosen(evidence.rows)

    def chosen(self, rows):
        return rows.iloc[:0]

    def plots(self, evidence, verdicts):
        return ()
'''


def digest_of(folder: Path, source: str, name: str = "own_rule", size: Size | None = None) -> str:
    """The digest of the one claim of an analysis whose module has this source."""
    # A folder of its own: Python would take a file of equal size and time for the one that it has compiled.
    file = folder / str(len(list(folder.iterdir()))) / f"{name}.py"
    file.parent.mkdir()
    file.write_text(source)
    specification = importlib.util.spec_from_file_location(name, file)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module
    try:
        specification.loader.exec_module(module)
        return rule_digests(module.Own(), size or Size(seeds=2))["first"]
    finally:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("the number is at most 1", "the number is at most one"),
        ('"at most", 1.0', '"at most", 1.1'),
        ('"at most", 1.0', '"below", 1.0'),
        ("ideal=0.5", "ideal=0.4"),
        ('Source("run"),\n', 'Source("other"),\n'),
        ('"untrained")', '"shuffled_labels")'),
        # A helper that a closure calls, a value that it holds, and a constant that it names.
        (".mean() * 2", ".mean() * 3"),
        ("number(2)", "number(3)"),
        ("value**power", "value**-power"),
        ("LIMIT = 3.0", "LIMIT = 4.0"),
        ("learning_rate=1e-3", "learning_rate=2e-3"),
        # A probe that the code names.
        ("prompts=100", "prompts=200"),
        # What compares several runs, and a method that it calls.
        ("self.chosen(evidence.rows)", "self.chosen(evidence.last)"),
        ("rows.iloc[:0]", "rows.iloc[:1]"),
    ],
)
def test_it_changes_with(before: str, after: str, tmp_path: Path) -> None:
    assert SOURCE.count(before) == 1
    assert digest_of(tmp_path, SOURCE) != digest_of(tmp_path, SOURCE.replace(before, after))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("  # a comment", "  # another comment, which is longer"),
        ("Twice the mean.", "The mean, times two."),
        ('    """Twice the mean."""\n', ""),
        ("def helper(rows):", "\n\ndef helper(rows: object) -> float:"),
        ('return rows["value"].mean() * 2', "return (rows['value']\n        .mean() * 2)"),
        ("A sentence.", "The same in other words."),
        # Neither what only explains, nor a run, a probe or a constant that the rule does not use.
        ('explaining={"shown": Source("other")}', "explaining={}"),
        ("steps=7", "steps=8"),
        ("prompts=50", "prompts=60"),
        ('"a": 2', '"a": 3'),
    ],
)
def test_it_does_not_change_with(before: str, after: str, tmp_path: Path) -> None:
    assert SOURCE.count(before) == 1
    assert digest_of(tmp_path, SOURCE) == digest_of(tmp_path, SOURCE.replace(before, after))


def test_it_does_not_change_with_seeds_or_the_name_of_the_module(tmp_path: Path) -> None:
    expected = digest_of(tmp_path, SOURCE)
    assert digest_of(tmp_path, SOURCE, size=Size(seeds=5, first_seed=100)) == expected
    assert digest_of(tmp_path, SOURCE, name="other_name") == expected


def test_it_changes_with_the_size_of_the_runs(tmp_path: Path) -> None:
    assert digest_of(tmp_path, SOURCE) != digest_of(tmp_path, SOURCE, size=Size(seeds=2, quick=True))


def test_every_analysis_has_digests_that_another_process_finds_too() -> None:
    names = ("two-step", "plateau", "markov")
    digests = {}
    for name in names:
        analysis = ANALYSES[name].analysis()
        digests[name] = rule_digests(analysis, Size(seeds=analysis.seeds))
        assert len(set(digests[name].values())) == len(analysis.claims())
    script = (
        "from analyses.claims.analysis import Size\n"
        "from analyses.digests.rule import rule_digests\n"
        "from analyses.registry import ANALYSES\n"
        f"found = {{name: ANALYSES[name].analysis() for name in {names}}}\n"
        "print({name: rule_digests(each, Size(seeds=3)) for name, each in found.items()})\n"
    )
    # Sets and dictionaries have another order there.
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "7"})
    assert done.stdout.strip() == str(digests)
