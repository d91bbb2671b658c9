"""Measures of the code's shape: folders, imports, lengths and loose types.

`python -m tests.helpers.measures [ROOT]` prints them for this checkout, or for another one.
"""

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[2]
FOLDERS = ("tasks", "mesa", "probes", "analyses")
WORDS = {"Any": r"\bAny\b", "isinstance": r"\bisinstance\(", "getattr, hasattr": r"\b(?:get|has)attr\("}


@cache
def tree_of(path: Path) -> ast.Module:
    """The parsed file."""
    return ast.parse(path.read_text("utf-8"))


def sources(root: Path = ROOT) -> list[Path]:
    """Every Python file of the four folders."""
    return sorted(path for folder in FOLDERS for path in (root / folder).rglob("*.py"))


def module_name(path: Path, root: Path = ROOT) -> str:
    """The dotted name of a file."""
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def modules_by_folder(root: Path = ROOT) -> Counter[str]:
    """How many modules each folder holds, without `__init__.py`."""
    return Counter(str(path.parent.relative_to(root)) for path in sources(root) if path.name != "__init__.py")


def import_graph(root: Path = ROOT) -> dict[str, set[str]]:
    """The modules of ours that each module imports, anywhere in its file, when it runs.

    A name imported from a package with a lazy table counts as the module behind it. Packages themselves are left out:
    their tables import nothing by themselves. So are imports for type checkers alone.
    """
    paths = {module_name(path, root): path for path in sources(root)}
    tables = {name: lazy_table(path) for name, path in paths.items() if path.name == "__init__.py"}
    graph: dict[str, set[str]] = {}
    for name in paths.keys() - tables.keys():
        targets = {
            target
            for module, alias in imported_names(tree_of(paths[name]))
            for target in (f"{module}.{alias}", tables.get(module, {}).get(alias), module)
        }
        graph[name] = {target for target in targets if target in paths and target not in tables} - {name}
    return graph


def imported_names(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """(module, name) of every import outside of `if TYPE_CHECKING`; the name is empty for `import module`."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((str(node.module), alias.name) for alias in node.names)
        yield from imported_names(node)


def lazy_table(path: Path) -> dict[str, str]:
    """Name -> module, read from the imports for type checkers at the top of a package."""
    nodes = (node for node in ast.walk(tree_of(path)) if isinstance(node, ast.ImportFrom))
    return {alias.name: str(node.module) for node in nodes for alias in node.names}


def longest_chain(graph: dict[str, set[str]]) -> list[str]:
    """The longest chain of modules of which each imports the next; ValueError where imports form a circle."""
    chains: dict[str, list[str]] = {}
    open_modules: list[str] = []

    def chain(name: str) -> list[str]:
        if name in open_modules:
            raise ValueError(f"imports form a circle: {' -> '.join([*open_modules[open_modules.index(name) :], name])}")
        if name not in chains:
            open_modules.append(name)
            chains[name] = [name, *max((chain(target) for target in sorted(graph[name])), key=len, default=[])]
            open_modules.pop()
        return chains[name]

    return max((chain(name) for name in sorted(graph)), key=len)


def functions(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Every function of a tree with its qualified name; functions within functions count as part of the outer one."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef):
            yield from functions(node, f"{prefix}{node.name}.")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{prefix}{node.name}", node
        elif isinstance(node, ast.If | ast.Try):
            yield from functions(node, prefix)


def long_functions(root: Path = ROOT, limit: int = 45) -> dict[str, int]:
    """Functions of more than `limit` lines, longest first."""
    lengths = {
        f"{module_name(path, root)}.{name}": (node.end_lineno or node.lineno) - node.lineno + 1
        for path in sources(root)
        for name, node in functions(tree_of(path))
    }
    return dict(sorted(((name, n) for name, n in lengths.items() if n > limit), key=lambda pair: -pair[1]))


def loose_signatures(root: Path = ROOT) -> list[str]:
    """Public functions and methods with `Any` in an annotation of an argument or of the result."""
    return [
        f"{module_name(path, root)}.{name}"
        for path in sources(root)
        for name, node in functions(tree_of(path))
        if not re.search(r"(^|\.)_", name) and _mentions_any(node)
    ]


def _mentions_any(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    arguments = node.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    annotations = [argument.annotation for argument in every if argument is not None] + [node.returns]
    return any(re.search(r"\bAny\b", ast.unparse(annotation)) for annotation in annotations if annotation is not None)


def word_counts(root: Path = ROOT) -> dict[str, int]:
    """How often each of WORDS stands in the sources, by its pattern."""
    text = "\n".join(path.read_text("utf-8") for path in sources(root))
    return {word: len(re.findall(pattern, text)) for word, pattern in WORDS.items()}


def show(root: Path = ROOT) -> None:
    """Print every measure of a checkout."""
    lengths = {path: len(path.read_text("utf-8").splitlines()) for path in sources(root)}
    with_code = [length for path, length in lengths.items() if path.name != "__init__.py"]
    graph = import_graph(root)
    widest = sorted(graph, key=lambda name: -len(graph[name]))
    print(f"modules: {len(with_code)}; lines in all: {sum(lengths.values())}")
    print(f"lines of a module: median {median(with_code):.0f}, at most {max(with_code)}")
    print("modules in a folder:", ", ".join(f"{name} {n}" for name, n in modules_by_folder(root).most_common(5)))
    print("modules of ours that a module imports:", ", ".join(f"{name} {len(graph[name])}" for name in widest[:12]))
    try:
        chain = longest_chain(graph)
        print(f"longest chain of imports: {len(chain)}:", " -> ".join(chain))
    except ValueError as error:
        print(error)
    print("words:", ", ".join(f"{word} {count}" for word, count in word_counts(root).items()))
    loose = loose_signatures(root)
    print(f"public signatures with Any: {len(loose)}:", ", ".join(loose))
    long = long_functions(root)
    print(f"functions over 45 lines: {len(long)}:", ", ".join(f"{name} {n}" for name, n in long.items()))


if __name__ == "__main__":
    show(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT)
