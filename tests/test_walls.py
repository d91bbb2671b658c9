"""Imports run one way, folders and files stay small, and importing a folder loads nothing heavy."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.measures import (
    FOLDERS,
    ROOT,
    import_graph,
    long_functions,
    longest_chain,
    loose_signatures,
    module_name,
    modules_by_folder,
    sources,
)

HEAVY = ("torch", "transformer_lens", "seaborn", "matplotlib", "pandas", "scipy")
SOURCES = sources()
GRAPH = import_graph()
MODULES_IN_A_FOLDER, IMPORTS_OF_A_MODULE, CHAIN_OF_IMPORTS, LONG_FUNCTIONS, LOOSE_SIGNATURES = 15, 12, 14, 5, 0


def imported(tree: ast.AST) -> Iterator[str]:
    """The full name of every module that a file imports, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


def offences(folder: str, source: str) -> list[str]:
    """Imports of `source`, a file of `folder`, that run against the direction, or are relative."""
    above = FOLDERS[FOLDERS.index(folder) + 1 :]
    return [name for name in imported(ast.parse(source)) if name.split(".")[0] in (*above, "tests", "")]


def test_imports_run_one_way():
    against = {path: offences(path.relative_to(ROOT).parts[0], path.read_text("utf-8")) for path in SOURCES}
    assert {path: names for path, names in against.items() if names} == {}


@pytest.mark.parametrize(
    ("folder", "source", "bad"),
    [
        ("tasks", "import mesa.models.in_context", ["mesa.models.in_context"]),
        ("mesa", "def f():\n    from probes.behaviour.agreement import fit", ["probes.behaviour.agreement"]),
        ("probes", "import analyses", ["analyses"]),
        ("tasks", "from . import prompt", ["."]),
        ("analyses", "import probes, mesa, tasks, numpy", []),
    ],
)
def test_the_parser_sees_an_import_against_the_direction(folder, source, bad):
    assert offences(folder, source) == bad


def test_all_folders_have_files_and_are_packages():
    assert {path.relative_to(ROOT).parts[0] for path in SOURCES} == set(FOLDERS)
    # Else the distribution would leave them out.
    assert {path.parent for path in SOURCES if not (path.parent / "__init__.py").exists()} == set()


def test_templates_are_in_the_distribution():
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    templates = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.jinja")]
    assert templates
    for path in templates:
        assert f'"{module_name(path.parent / "__init__.py")}" = ["*.html.jinja"]' in text


def test_no_folder_holds_many_modules():
    assert {folder: count for folder, count in modules_by_folder().items() if count > MODULES_IN_A_FOLDER} == {}


def test_no_module_imports_many_others():
    assert {name: len(targets) for name, targets in GRAPH.items() if len(targets) > IMPORTS_OF_A_MODULE} == {}


def test_chains_of_imports_are_short():
    assert len(longest_chain(GRAPH)) <= CHAIN_OF_IMPORTS, " -> ".join(longest_chain(GRAPH))


def test_few_functions_are_long():
    assert len(long_functions()) <= LONG_FUNCTIONS, long_functions()


def test_public_signatures_say_their_types():
    assert len(loose_signatures()) <= LOOSE_SIGNATURES, loose_signatures()


def test_the_measures_see_what_they_measure(tmp_path: Path):
    files = {
        "tasks/__init__.py": "if TYPE_CHECKING:\n    from tasks.low import name\n",
        "tasks/low.py": "def f(x: list[Any]) -> int:\n" + "    x\n" * 45,
        "mesa/middle.py": "from tasks import low\n\ndef _hidden(x: Any): ...",
        "probes/high.py": "def f():\n    from mesa.middle import f\n    from tasks import name\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    graph = import_graph(tmp_path)
    assert graph == {"tasks.low": set(), "mesa.middle": {"tasks.low"}, "probes.high": {"mesa.middle", "tasks.low"}}
    assert longest_chain(graph) == ["probes.high", "mesa.middle", "tasks.low"]
    assert long_functions(tmp_path) == {"tasks.low.f": 46}
    assert loose_signatures(tmp_path) == ["tasks.low.f"]
    assert modules_by_folder(tmp_path) == {"tasks": 1, "mesa": 1, "probes": 1}
    with pytest.raises(ValueError, match="circle: a -> b -> a"):
        longest_chain({"a": {"b"}, "b": {"a"}})


def test_mesa_is_ours():
    import mesa

    assert mesa.__file__ is not None
    assert Path(mesa.__file__) == ROOT / "mesa" / "__init__.py"


def loaded_by(statement: str) -> set[str]:
    code = f"{statement}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_the_folders_loads_nothing_heavy():
    loaded = loaded_by("import tasks, mesa, probes, analyses")
    assert {"tasks", "mesa", "probes", "analyses"} <= loaded
    assert loaded.isdisjoint(HEAVY)
    # The check can fail: what the folders hide is loaded on first use.
    assert "torch" in loaded_by("import tasks; tasks.LinearRegression")


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_public_name_is_there(folder):
    module = __import__(folder)
    names = getattr(module, "__all__", [])
    assert list(names) == sorted(set(names), key=lambda name: (not name.isupper(), not name[0].isupper(), name))
    for name in names:
        assert getattr(module, name) is not None
    with pytest.raises(AttributeError):
        getattr(module, "no_such_name")  # noqa: B009


def calls(tree: ast.AST) -> Iterator[tuple[str, set[str | None]]]:
    """Each call's dotted name and its keywords."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), {keyword.arg for keyword in node.keywords}


def forbidden(source: str) -> list[str]:
    """Pickle in any form, and seeding through TransformerLens, which moves the global random state."""
    tree = ast.parse(source)
    names = [name for name in imported(tree) if name.split(".")[0] in ("pickle", "dill", "cloudpickle", "joblib")]
    for name, keywords in calls(tree):
        if name in ("torch.save", "torch.load", "torch.manual_seed", "eval", "exec"):
            names.append(name)
        if name.endswith("HookedTransformerConfig") and "seed" in keywords:
            names.append("HookedTransformerConfig(seed=)")
    return names


def test_nothing_forbidden_is_used():
    uses = {path: forbidden(path.read_text("utf-8")) for path in SOURCES}
    assert {path: names for path, names in uses.items() if names} == {}


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import loads",
        "import torch\ntorch.save({}, 'x')",
        "torch.load('x')",
        "HookedTransformerConfig(n_layers=1, seed=0)",
        "torch.manual_seed(0)",
    ],
)
def test_the_parser_sees_what_is_forbidden(source):
    assert len(forbidden(source)) == 1
