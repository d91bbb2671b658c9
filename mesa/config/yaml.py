"""Configurations as YAML: read strictly, compared field by field, written with comments."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import yaml
from pydantic import BaseModel, ValidationError
from yaml.constructor import ConstructorError

from mesa.build import about_fields
from mesa.config.schema import RunConfig
from mesa.config.upgrade import upgraded
from mesa.config.validation import explain
from mesa.errors import UserError
from mesa.plugin import require

Settings: TypeAlias = dict[str, object]


class _Loader(yaml.SafeLoader):
    """YAML 1.2 floats (1e-3 is a number), and no key twice."""


_FLOAT = re.compile(r"^[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?$|^[-+]?\.(inf|Inf|INF)$|^\.(nan|NaN|NAN)$")
# Longer ones are read as floats: Python refuses to make an int of thousands of digits, and no rule here lets one pass.
_INT = re.compile(r"^[-+]?\d{1,99}$")
_Loader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers if not tag.endswith((":float", ":int", ":timestamp"))]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", _INT, list("-+0123456789"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789."))


def _mapping(loader: _Loader, node: yaml.MappingNode) -> Settings:
    first_line: dict[str, int] = {}
    for key_node, _ in node.value:
        key, line = str(loader.construct_object(key_node)), key_node.start_mark.line + 1
        if key in first_line:
            problem = f"the key {key!r} is given twice, first in line {first_line[key]}"
            raise ConstructorError(problem=problem, problem_mark=key_node.start_mark)
        first_line[key] = line
    return {str(key): value for key, value in loader.construct_mapping(node, deep=True).items()}


def _decimal(loader: _Loader, node: yaml.ScalarNode) -> int:
    # PyYAML's own takes 010 for octal, and fails on 08.
    return int(loader.construct_scalar(node))


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)
_Loader.add_constructor("tag:yaml.org,2002:int", _decimal)


def _merge(loader: _Loader, node: yaml.Node) -> Settings:
    raise ConstructorError(problem="merge keys (<<) are not read; write the fields out", problem_mark=node.start_mark)


_Loader.add_constructor("tag:yaml.org,2002:merge", _merge)
# A configuration holds a hundred values or so. Aliases of aliases make billions of a few lines.
_MOST_VALUES = 100_000


def _expanded(node: yaml.Node, known: dict[int, int]) -> int:
    """How many values a node holds with every alias written out."""
    if id(node) not in known:
        # An alias to what is being counted is refused when it is constructed.
        known[id(node)] = 1
        pairs = [item for pair in node.value for item in pair] if isinstance(node, yaml.MappingNode) else ()
        inner = node.value if isinstance(node, yaml.SequenceNode) else pairs
        known[id(node)] = 1 + sum(_expanded(item, known) for item in inner)
    return known[id(node)]


def read_yaml(text: str, source: str) -> object:
    """Parse YAML; UserError with the place where it is malformed."""
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        if _expanded(node, {}) > _MOST_VALUES:
            raise UserError(f"{source}: not valid YAML: with its aliases written out it holds too many values")
        return loader.construct_document(node)
    except UserError:
        raise
    except RecursionError:
        raise UserError(f"{source}: not valid YAML: nested too deeply") from None
    except (yaml.YAMLError, ValueError, KeyError) as error:
        # ValueError and KeyError: a value that is not of the type that its tag names, as in `!!int abc`.
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        problem = " ".join(str(getattr(error, "problem", error)).split())
        raise UserError(f"{source}: not valid YAML{where}: {problem}") from None


def load(path: Path, assignments: Sequence[str] = ()) -> RunConfig:
    """The configuration in a file, with `--set key=value` assignments applied; UserError for anything wrong."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise UserError(f"{path}: cannot be read: {reason}") from None
    settings = read_yaml(text, str(path))
    if not isinstance(settings, dict):
        raise UserError(f"{path}: must hold a mapping of settings, holds {type(settings).__name__}")
    settings.pop("versions", None)
    recorded = settings.pop("plugins", None)
    if recorded is not None:
        if not isinstance(recorded, dict) or not all(isinstance(facts, dict) for facts in recorded.values()):
            raise UserError(f"{path}: plugins: {recorded!r} must be a mapping of modules, as this package writes it")
        require(recorded, path)
    return parse(assign(settings, assignments))


def assign(settings: Mapping[str, object], assignments: Sequence[str]) -> Settings:
    """Settings with `training.steps=2000`-style assignments applied.

    >>> assign({"training": {"steps": 5000}}, ["training.steps=2000", "seeds=2"])
    {'training': {'steps': 2000}, 'seeds': 2}
    """
    result: Settings = {key: dict(value) if isinstance(value, dict) else value for key, value in settings.items()}
    for assignment in assignments:
        path, equals, value = assignment.partition("=")
        if not equals or not path.strip():
            raise UserError(f"--set {assignment!r}: must be KEY=VALUE, as in training.steps=2000")
        *parents, leaf = path.strip().split(".")
        section = result
        for parent in parents:
            section = section.setdefault(parent, {})
            if not isinstance(section, dict):
                raise UserError(f"--set {assignment!r}: {parent!r} is a value, not a section")
        section[leaf] = read_yaml(value, f"--set {path}")
    return result


def parse(settings: Mapping[str, object]) -> RunConfig:
    """Validate settings, also those that an earlier version wrote; UserError with a clause for every wrong field."""
    try:
        return RunConfig.model_validate(upgraded(settings))
    except ValidationError as error:
        raise UserError(explain(error, RunConfig)) from None
    except TypeError as error:
        raise UserError(f"configuration: {error}") from None


def flat(config: RunConfig) -> Settings:
    """Every field of a configuration by its dotted name."""
    settings = config.model_dump()
    nested = {key: value for key, value in settings.items() if isinstance(value, dict)}
    inner = {f"{key}.{name}": value for key, section in nested.items() for name, value in section.items()}
    return {**{key: value for key, value in settings.items() if key not in nested}, **inner}


def differences(old: RunConfig, new: RunConfig) -> dict[str, tuple[object, object]]:
    """The fields in which two configurations differ, with both values.

    >>> differences(RunConfig(), RunConfig(seeds=3))
    {'seeds': (5, 3)}
    """
    before, after = flat(old), flat(new)
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return {name: (before.get(name), after.get(name)) for name in names}


def dump(
    config: RunConfig,
    heading: str = "",
    versions: Mapping[str, object] | None = None,
    plugins: Mapping[str, object] | None = None,
) -> str:
    """A complete YAML file with a comment for every field; `load` reads it back unchanged."""
    lines = [f"# {line}" for line in heading.splitlines()]
    about = {"name": "see `mesa list`", **about_fields(config.task["name"])}
    lines += ["task:", *_section(config.task, about)]
    lines += [_line("reader", config.reader, _about(RunConfig)["reader"])]
    for name, section in (("model", config.model), ("training", config.training)):
        lines += [f"{name}:", *_section(section.model_dump(), _about(type(section)))]
    for name, number in (("seeds", config.seeds), ("first_seed", config.first_seed)):
        lines += [_line(name, number, _about(RunConfig)[name])]
    for name, section in (("versions", versions), ("plugins", plugins)):
        if section:
            lines += [f"{name}:", *_section(section, {})]
    return "\n".join(lines) + "\n"


def _about(cls: type[BaseModel]) -> dict[str, str]:
    return {name: field.description or "" for name, field in cls.model_fields.items()}


def _section(values: Mapping[str, object], about: dict[str, str]) -> list[str]:
    # The kind comes first: it decides which other fields there are.
    ordered = sorted(values, key=lambda name: name != "kind")
    return ["  " + _line(name, values[name], about.get(name, "")) for name in ordered]


def _line(name: str, value: object, about: str) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, width=10**6).removesuffix("\n").removesuffix("\n...")
    return f"{name}: {text}".ljust(34) + (f"  # {about}" if about else "")
