"""The code of functions with all that it depends on, as text: values of closures, constants, and functions called."""

import ast
import importlib
import inspect
import linecache
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from functools import partial
from types import FunctionType, MethodType, ModuleType

import numpy as np

from analyses.digests.syntax import nodes, text_of


@dataclass(frozen=True)
class Fragment:
    """A function's or a class's code: how to find its syntax, the names of its module, and the class that it is in."""

    syntax: Callable[[], list[ast.AST]]
    names: Mapping[str, object]
    owner: type | None = None


@dataclass(frozen=True)
class Code:
    """Describes values in text and collects the code that they lead to; it serves one digest, or several.

    Functions and classes are followed where they belong to one of the `packages`. Those of other packages are only
    named. No text holds a path, a line number or the name of a module: code that is moved is the same code.
    """

    packages: frozenset[str]
    _trees: dict[str, ast.Module] = field(default_factory=dict)
    _waiting: dict[str, Fragment] = field(default_factory=dict)
    _texts: dict[str, str] = field(default_factory=dict)
    # Objects that are being described.
    _open: set[int] = field(default_factory=set)

    def collected(self) -> list[str]:
        """The code of every function and class that the values described so far lead to, sorted."""
        while self._waiting:
            key, fragment = self._waiting.popitem()
            # Before the names are described: they may lead back to this code.
            self._texts[key] = ""
            self._texts[key] = self._code(fragment)
        return sorted(set(self._texts.values()))

    def text(self, value: object) -> str:
        """A value in text: equal values have equal texts, in every process.

        >>> Code(frozenset()).text({"b": (1, 2.5), "a": {"y", "x"}})
        "{'a': {'x', 'y'}, 'b': [1, 2.5]}"
        """
        # An object that leads back to itself is described once.
        if id(value) in self._open:
            return f"again {type(value).__name__}"
        self._open.add(id(value))
        try:
            return self._text(value)
        finally:
            self._open.discard(id(value))

    def _text(self, value: object) -> str:
        match value:
            case None | bool() | int() | float() | complex() | str() | bytes():
                return repr(value)
            case Mapping():
                pairs = sorted((self.text(key), self.text(item)) for key, item in value.items())
                return "{" + ", ".join(f"{key}: {item}" for key, item in pairs) + "}"
            case set() | frozenset():
                return "{" + ", ".join(sorted(self.text(item) for item in value)) + "}"
            case list() | tuple():
                return "[" + ", ".join(self.text(item) for item in value) + "]"
            case np.ndarray():
                return f"array {value.dtype} {value.tolist()}"
            case partial():
                return f"partial({self.text(value.func)}, {self.text(value.args)}, {self.text(value.keywords)})"
            case MethodType():
                return f"method({self.text(value.__self__)}, {self.text(value.__func__)})"
            case FunctionType():
                return self._function(value)
            case type():
                return self._class(value)
            case ModuleType():
                return f"module {value.__name__}"
            case _:
                return self._instance(value)

    def _instance(self, value: object) -> str:
        # A decorated function is the function; its decorators are in its code.
        inner = inspect.unwrap(value) if callable(value) else value
        if inner is not value:
            return self.text(inner)
        held = getattr(value, "__dict__", {})
        if is_dataclass(value):
            held = {item.name: getattr(value, item.name) for item in fields(value)}
        return f"{self.text(type(value))} {self.text(held)}"

    def _function(self, function: FunctionType) -> str:
        inner = inspect.unwrap(function)
        if inner is not function:
            return self.text(inner)
        name, code = function.__qualname__, function.__code__
        if not self._followed(function.__module__):
            return f"function {name}"
        owner = function.__globals__.get(name.partition(".")[0])
        fragment = Fragment(
            lambda: self._syntax(function), function.__globals__, owner if isinstance(owner, type) else None
        )
        self._collect(f"{code.co_filename}:{code.co_firstlineno}:{name}", fragment)
        cells = zip(code.co_freevars, function.__closure__ or (), strict=True)
        held = {variable: cell.cell_contents for variable, cell in cells}
        return f"function {name} {self.text([held, function.__defaults__, function.__kwdefaults__])}"

    def _class(self, cls: type) -> str:
        if self._followed(cls.__module__) and (module := sys.modules.get(cls.__module__)) is not None:
            self._collect(
                f"{cls.__module__}:{cls.__qualname__}", Fragment(lambda: self._class_syntax(cls, module), vars(module))
            )
        return f"class {cls.__qualname__}"

    def _collect(self, key: str, fragment: Fragment) -> None:
        if key not in self._texts:
            self._waiting[key] = fragment

    def _code(self, fragment: Fragment) -> str:
        """The text of some code, and of what its names stand for."""
        syntax = fragment.syntax()
        used = {name: self.text(value) for node in syntax for name, value in self._used(node, fragment)}
        return " ".join([*map(text_of, syntax), self.text(used)])

    def _used(self, node: ast.AST, fragment: Fragment) -> Iterator[tuple[str, object]]:
        """What names in some code stand for: values of its module, and what it takes from modules that are followed."""
        for each in nodes(node):
            match each:
                case ast.ImportFrom(module=str(name), names=aliases) if self._followed(name):
                    module = importlib.import_module(name)
                    yield from ((alias.name, getattr(module, alias.name, None)) for alias in aliases)
                case ast.Attribute(value=ast.Name(id="self"), attr=name) if fragment.owner is not None:
                    yield f"self.{name}", getattr(fragment.owner, name, None)
                case ast.Attribute(value=base, attr=name):
                    module = self._module(base, fragment.names)
                    if module is not None and self._followed(module.__name__):
                        yield f"{module.__name__.rpartition('.')[2]}.{name}", getattr(module, name, None)
                case ast.Name(id=name) if not isinstance(fragment.names.get(name), ModuleType | None):
                    yield name, fragment.names[name]
                case _:
                    pass

    def _module(self, node: ast.AST, names: Mapping[str, object]) -> ModuleType | None:
        """The module that an expression such as `a.b` stands for; None where it stands for something else."""
        value: object = None
        if isinstance(node, ast.Name):
            value = names.get(node.id)
        elif isinstance(node, ast.Attribute) and (module := self._module(node.value, names)) is not None:
            value = getattr(module, node.attr, None)
        return value if isinstance(value, ModuleType) else None

    def _followed(self, module: str) -> bool:
        return module.partition(".")[0] in self.packages

    def _syntax(self, function: FunctionType) -> list[ast.AST]:
        """The syntax of a function. Where several lambdas begin in one line it is that of all of them."""
        code = function.__code__
        tree = self._tree(code.co_filename, function.__globals__)
        return [node for node in ast.walk(tree) if _first_line(node, function.__name__) == code.co_firstlineno]

    def _class_syntax(self, cls: type, module: ModuleType) -> list[ast.AST]:
        tree = self._tree(module.__file__ or "", vars(module))
        return [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and node.name == cls.__name__]

    def _tree(self, file: str, names: Mapping[str, object]) -> ast.Module:
        if file not in self._trees:
            self._trees[file] = ast.parse("".join(linecache.getlines(file, dict(names))))
        return self._trees[file]


def _first_line(node: ast.AST, name: str) -> int:
    """The line in which a function of this name begins, which is that of its first decorator; 0 for other code."""
    match node:
        case ast.Lambda() if name == "<lambda>":
            return node.lineno
        case ast.FunctionDef() | ast.AsyncFunctionDef() if node.name == name:
            return min([node.lineno, *(each.lineno for each in node.decorator_list)])
        case _:
            return 0
