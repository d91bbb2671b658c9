"""The digest of a result: another one wherever its seeds, settings, rules or code are others."""

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from analyses.digests.code import Code
from analyses.digests.rule import digest
from analyses.digests.syntax import text_of
from mesa.config.yaml import flat

if TYPE_CHECKING:
    from analyses.claims.analysis import Analysis, Size

_ROOT = Path(__file__).parents[2]
# Whatever stands here may change a number. Reports, figures and the command line change none.
CODE = ("tasks", "mesa", "probes", "analyses/claims", "analyses/evidence.py", "analyses/judging.py")
_EXPERIMENTS = "analyses.experiments."


def result_digest(analysis: "Analysis", size: "Size", rules: Mapping[str, str]) -> str:
    """The digest of all that an analysis's result follows from at this size: configurations, seeds, plans and code.

    `rules` are the digests of its rules, by the claims' ids.
    The code is that of this package's tasks, models, probes and claims, and of the analysis with what it takes from
    other experiments. Comments, docstrings and annotations do not count.
    """
    text = Code(frozenset()).text
    runs = {name: flat(config) for name, config in analysis.runs(size).items()}
    parts = [size.name, text(runs), text(analysis.plans(size)), text(rules)]
    return digest("\n".join([*parts, *_texts(type(analysis).__module__)]))


def _texts(module: str) -> Iterator[str]:
    """The code behind an analysis whose class this module defines, a text for each file."""
    files = {file for part in CODE for file in _python_files(_ROOT / part)} | set(_experiments(module))
    for file in sorted(files):
        yield text_of(ast.parse(file.read_text(encoding="utf-8")))


def _python_files(path: Path) -> Iterator[Path]:
    return path.rglob("*.py") if path.is_dir() else iter((path,))


def _experiments(module: str) -> Iterator[Path]:
    """The files of a module and of all modules of experiments that it leads to."""
    waiting, visited = [module], set[str]()
    while waiting:
        name = waiting.pop()
        file = _file(name)
        if name in visited or file is None:
            continue
        visited.add(name)
        yield file
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            match node:
                case ast.ImportFrom(module=str(source), names=aliases) if f"{source}.".startswith(_EXPERIMENTS):
                    waiting += [source, *(f"{source}.{alias.name}" for alias in aliases)]
                case ast.Import(names=aliases):
                    waiting += [alias.name for alias in aliases if alias.name.startswith(_EXPERIMENTS)]
                case _:
                    pass


def _file(module: str) -> Path | None:
    """The file of a module: of one of ours by its name, of another one where it was loaded from."""
    path = _ROOT / Path(*module.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    loaded = getattr(sys.modules.get(module), "__file__", None)
    return Path(loaded) if loaded is not None else None
