"""The README is true: its Python runs, its commands exist, and its layout names every folder and no other."""

import ast
import re
from pathlib import Path

import pytest

from tests.helpers.measures import sources, tree_of

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
FOLDERS = ("tasks", "mesa", "probes", "analyses")


# An example builds a HookedTransformer as its reader would.
@pytest.mark.filterwarnings("ignore:HookedTransformer is deprecated:DeprecationWarning")
@pytest.mark.parametrize("number", range(len(re.findall("```python", README))))
def test_examples_run(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code = re.findall(r"```python\n(.*?)```", README, re.DOTALL)[number]
    scope: dict[str, object] = {}
    exec(compile(code, f"README example {number}", "exec"), scope)
    assert len(scope["reading"].table) > 10  # pyright: ignore[reportAttributeAccessIssue]


def test_every_command_in_the_readme_exists() -> None:
    from typer.main import get_command

    from analyses.cli import app

    verbs = set(get_command(app).commands)  # pyright: ignore[reportAttributeAccessIssue]
    assert set(re.findall(r"^mesa (\w+)", README, re.MULTILINE)) == verbs


def test_the_layout_names_every_folder() -> None:
    layout = README[README.index("## Layout") : README.index("## Citation")]
    named = set(re.findall(r"^ +([a-z_]+)/ ", layout, re.MULTILINE))
    there = {path.name for folder in FOLDERS for path in (ROOT / folder).iterdir() if (path / "__init__.py").exists()}
    assert named == there


def test_links_lead_somewhere() -> None:
    targets = [target for target in re.findall(r"\]\(([^)]+)\)", README) if not target.startswith("http")]
    assert targets
    assert all((ROOT / target).exists() for target in targets)


def test_every_paper_that_the_code_cites_is_listed() -> None:
    key = re.compile(r"(?<=[\s(])\[([A-Z]{2,4})\]")
    strings = (
        node.value
        for path in sources()
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    cited = {name for text in strings for name in key.findall(text)}
    assert cited == set(key.findall(README))
