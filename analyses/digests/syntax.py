"""Python code as text that stays the same where only comments, docstrings, annotations or positions change."""

import ast
from collections.abc import Iterator

# What does not compute: types, and marks that differ between versions of Python.
_LEFT_OUT = frozenset({"annotation", "returns", "ctx", "kind", "type_comment", "type_ignores", "type_params"})
_WITH_DOCSTRING = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def text_of(node: ast.AST) -> str:
    """The syntax tree of some code as text, in the same words in all versions of Python that we run on.

    >>> one, other = ast.parse("x: int = f(1)  # a comment"), ast.parse("x: float = f( 1 )")
    >>> text_of(one) == text_of(other), text_of(one) == text_of(ast.parse("x = f(2)"))
    (True, False)
    """
    if isinstance(node, ast.Constant):
        return f"{type(node.value).__name__} {node.value!r}"
    inner = ", ".join(f"{name}={_written(child)}" for name, child in parts(node))
    return f"{type(node).__name__}({inner})"


def parts(node: ast.AST) -> Iterator[tuple[str, object]]:
    """The fields of a node that compute something: without docstrings, annotations, and fields that are empty."""
    for name, child in ast.iter_fields(node):
        if name == "body" and isinstance(node, _WITH_DOCSTRING) and ast.get_docstring(node, clean=False) is not None:
            child = child[1:]
        if name not in _LEFT_OUT and child is not None and child != []:
            yield name, child


def nodes(node: ast.AST) -> Iterator[ast.AST]:
    """A node and everything below it that computes something, in the order of the code."""
    yield node
    for _, child in parts(node):
        for each in child if isinstance(child, list) else (child,):
            if isinstance(each, ast.AST):
                yield from nodes(each)


def _written(child: object) -> str:
    if isinstance(child, list):
        return f"[{', '.join(_written(each) for each in child)}]"
    return text_of(child) if isinstance(child, ast.AST) else repr(child)
