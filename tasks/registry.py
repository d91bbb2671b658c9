"""The tasks and readers that a configuration can name, and what every registry of the package is made of.

A registry holds rows. A row has an address, one sentence, and the facts that other modules need. Importing a registry
imports none of the modules that its rows name.
A plugin's rows are added while the program runs. They are listed after the built-in rows and never replace one.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from typing import Generic, TypeAlias, TypeVar

from tasks.errors import UserError, unknown
from tasks.kinds import Prompts

Setting: TypeAlias = "bool | int | float | str | tuple[Setting, ...] | None"
Settings: TypeAlias = Mapping[str, Setting]


@dataclass(frozen=True, kw_only=True)
class Row:
    """Something that has a name: where it is defined, as `module:attribute`, and one sentence about it."""

    target: str
    about: str

    def targets(self) -> tuple[tuple[str, str], ...]:
        """Everything that the row names as `module:attribute`, each with the field that holds it."""
        return (("target", self.target),)

    def load(self) -> object:
        """Import the module and return what the row names.

        >>> TASKS["sine"].load().__name__
        'SineRegression'
        """
        module, _, name = self.target.partition(":")
        return getattr(import_module(module), name)


RowT = TypeVar("RowT", bound=Row)
# Rows that plugins added, by the kind of registry: a registry that is imported later finds its rows here.
_PLUGGED: dict[str, dict[str, Row]] = {}


@dataclass(frozen=True)
class Plugin:
    """A module outside the package whose rows were added: how it was named, its module, version and sha256 digest.

    `rows` has the kind, the name and the target of every row.
    """

    source: str
    module: str
    version: str
    digest: str
    rows: tuple[tuple[str, str, str], ...] = ()


_PLUGINS: list[Plugin] = []


class Registry(Mapping[str, RowT], Generic[RowT]):
    """Rows by name, the built-in ones first. `kind` is the word that errors use for one of them.

    >>> list(READERS), READERS["paired"].prompts
    (['paired', 'interleaved', 'next_token'], 'regression')
    """

    def __init__(self, kind: str, row: type[RowT], rows: Mapping[str, RowT]) -> None:
        self.kind, self.row, self._rows = kind, row, dict(rows)

    def __getitem__(self, name: str) -> RowT:
        rows = self._all()
        if name not in rows:
            raise unknown(self.kind, name, rows)
        return rows[name]

    def __contains__(self, name: object) -> bool:
        return name in self._all()

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def _all(self) -> dict[str, RowT]:
        plugged = {name: row for name, row in _PLUGGED.get(self.kind, {}).items() if isinstance(row, self.row)}
        built_in = sorted(self._rows.keys() & plugged.keys())
        if built_in:
            raise UserError(f"{self.kind}: {built_in[0]!r} is built in; a plugin must choose another name")
        return {**self._rows, **plugged}


def plug(kind: str, rows: Mapping[str, Row]) -> None:
    """Add a plugin's rows to the registry of a kind."""
    _PLUGGED.setdefault(kind, {}).update(rows)


def plugins() -> tuple[Plugin, ...]:
    """The plugins whose rows were added, in that order."""
    return tuple(_PLUGINS)


def plugin_of(kind: str, name: str) -> Plugin | None:
    """The plugin that added the row of this kind and name; None for a built-in row."""
    return next((plugin for plugin in _PLUGINS if (kind, name) in {row[:2] for row in plugin.rows}), None)


def note(plugin: Plugin) -> None:
    """Note that a plugin's rows were added."""
    _PLUGINS.append(plugin)


@contextmanager
def unplugged_after() -> Iterator[None]:
    """Remove, on leaving this context, all plugins that were added within it."""
    rows, plugins_before = {kind: dict(added) for kind, added in _PLUGGED.items()}, plugins()
    try:
        yield
    finally:
        _PLUGGED.clear()
        _PLUGGED.update(rows)
        _PLUGINS[:] = plugins_before


@dataclass(frozen=True, kw_only=True)
class TaskRow(Row):
    """A task: which kind of prompts it draws, and the settings of a small one, on which the laws are tested."""

    prompts: Prompts
    example: Settings = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ReaderRow(Row):
    """A reader: which kind of prompts it reads."""

    prompts: Prompts


TASKS = Registry(
    "task",
    TaskRow,
    {
        "linear_regression": TaskRow(
            target="tasks.regression.linear_regression:LinearRegression",
            about="y = w.x with a fresh teacher w per prompt",
            prompts="regression",
            example={"d_in": 3, "context": 5},
        ),
        "sparse_linear_regression": TaskRow(
            target="tasks.regression.sparse_linear_regression:SparseLinearRegression",
            about="y = w.x where most entries of the fresh teacher w are zero",
            prompts="regression",
            example={"d_in": 4, "context": 5, "nonzero": 2},
        ),
        "sine": TaskRow(
            target="tasks.regression.sine:SineRegression",
            about="y = a sin(x + p) with a fresh curve per prompt",
            prompts="regression",
            example={"context": 5},
        ),
        "repeated_tokens": TaskRow(
            target="tasks.sequences.repeated_tokens:RepeatedTokens",
            about="random symbols, repeated after a random distance",
            prompts="tokens",
            example={"vocabulary": 6, "length": 12, "shortest": 3, "longest": 5},
        ),
        "associative_recall": TaskRow(
            target="tasks.sequences.associative_recall:AssociativeRecall",
            about="pairs A B ... A -> B of keys and values",
            prompts="tokens",
            example={"vocabulary": 6, "length": 5},
        ),
        "markov_chain": TaskRow(
            target="tasks.sequences.markov_chain:MarkovChain",
            about="a fresh Markov chain per sequence",
            prompts="tokens",
            example={"vocabulary": 3, "length": 10},
        ),
        "distinct_tokens": TaskRow(
            target="tasks.sequences.distinct_tokens:DistinctTokens",
            about="random symbols, none of which occurs twice",
            prompts="tokens",
            example={"vocabulary": 6, "length": 5},
        ),
    },
)
READERS = Registry(
    "reader",
    ReaderRow,
    {
        "paired": ReaderRow(
            target="tasks.readers.paired:PairedReader",
            about="one token (x, y) per example, a query token (x, 0)",
            prompts="regression",
        ),
        "interleaved": ReaderRow(
            target="tasks.readers.interleaved:InterleavedReader",
            about="x and y in neighbouring tokens, with positions",
            prompts="regression",
        ),
        "next_token": ReaderRow(
            target="tasks.readers.next_token:NextTokenReader",
            about="ids for a language model, logits for the next token",
            prompts="tokens",
        ),
    },
)
