"""Plugins: modules outside the package that add rows to its registries, as `mesa --plugin MODULE_OR_FILE` loads them.

A plugin has one or more of the attributes in `REGISTRIES`, each a dict of rows by name.
"""

import hashlib
import logging
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import import_module
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import cast

from mesa.errors import UserError
from tasks.registry import Plugin, Registry, Row, note, plug, plugins

# A plugin's attribute, and the registry that its rows are added to.
REGISTRIES = {
    "TASKS": "tasks.registry",
    "READERS": "tasks.registry",
    "LEARNERS": "mesa.registry",
    "TOKEN_PREDICTORS": "mesa.registry",
    "CONFIGURATIONS": "mesa.config.presets",
    "PROBES": "probes.registry",
    "CONTROLS": "probes.controls.registry",
    "READOUTS": "probes.attribution.registry",
    "ANALYSES": "analyses.registry",
    "BENCHES": "analyses.registry",
}


def load(source: str) -> Plugin:
    """Import a module, by its name or by the path of its file, and add its rows to the registries.

    A plugin that is loaded already is not loaded again. UserError, in one line and with no row added, where it cannot
    be imported, holds no rows or rows of another type, or takes a name that is taken.
    """
    path = Path(source)
    is_file = path.suffix == ".py"
    source = str(path.resolve()) if is_file else source
    for plugin in plugins():
        if plugin.source == source:
            return plugin
    module = _imported_file(path.resolve()) if is_file else _imported(source)
    rows = _rows(module, source)
    for registry, added in rows:
        plug(registry.kind, added)
    version, digest = str(getattr(module, "__version__", "")), _digest(module, source)
    names = tuple((registry.kind, name, row.target) for registry, added in rows for name, row in added.items())
    plugin = Plugin(source, module.__name__, version, digest, names)
    note(plugin)
    return plugin


def load_all(sources: Iterable[str]) -> None:
    """Load some plugins; a worker process begins with those of the process that started it."""
    for source in sources:
        load(source)


def loaded() -> tuple[str, ...]:
    """The sources of the plugins that are loaded, as `load_all` takes them."""
    return tuple(plugin.source for plugin in plugins())


def description() -> dict[str, dict[str, str]]:
    """The version and the digest of every loaded plugin, by its module: what config.yaml records."""
    return {plugin.module: {"version": plugin.version, "digest": plugin.digest} for plugin in plugins()}


def require(recorded: Mapping[str, Mapping[str, str]], file: Path) -> None:
    """Compare the plugins that a configuration records with those that are loaded.

    UserError names one that is not loaded. One that has changed since is named in a line of the log.
    """
    by_module = {plugin.module: plugin for plugin in plugins()}
    for module, facts in recorded.items():
        version = f" (version {facts['version']})" if facts.get("version") else ""
        if module not in by_module:
            rule = f"load it with `mesa --plugin {module}`, or with the path of its file"
            raise UserError(f"{file}: was made with the plugin {module!r}{version}, which is not loaded: {rule}")
        if by_module[module].digest != facts.get("digest"):
            _warn_once(f"{file}: the plugin {module!r} has changed since this was made{version}")


@cache
def _warn_once(message: str) -> None:
    logging.getLogger("mesa").warning("mesa: warning: %s", message)


def _imported(name: str) -> ModuleType:
    try:
        return import_module(name)
    except (Exception, SystemExit) as error:
        raise _failed(name, error) from None


def _imported_file(path: Path) -> ModuleType:
    name = path.stem
    if not name.isidentifier() or name in sys.modules:
        rule = "is no name of a module" if not name.isidentifier() else "is the name of a module that is loaded already"
        raise UserError(f"--plugin {path}: {name!r} {rule}; rename the file")
    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UserError(f"--plugin {path}: is not a Python module")
    module = module_from_spec(spec)
    # Rows of the plugin name their targets by its module, as `NAME:attribute`.
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise _failed(str(path), error) from None
    return module


def _failed(source: str, error: BaseException) -> UserError:
    reason = " ".join(str(error).split()) or "no reason is given"
    return UserError(f"--plugin {source}: cannot be loaded: {type(error).__name__}: {reason}")


def _rows(module: ModuleType, source: str) -> list[tuple[Registry[Row], dict[str, Row]]]:
    """The rows of a plugin by registry, all of them checked."""
    checked = []
    for attribute, home in REGISTRIES.items():
        if not hasattr(module, attribute):
            continue
        rows = getattr(module, attribute)
        registry = cast("Registry[Row]", getattr(import_module(home), attribute))
        if rows is registry:
            # The plugin imports the registry itself.
            continue
        if not isinstance(rows, Mapping):
            raise UserError(f"--plugin {source}: {attribute} must be a dict of rows, is {type(rows).__name__}")
        for name, row in rows.items():
            _check(f"--plugin {source}: {attribute}[{name!r}]", name, row, registry, module)
        checked.append((registry, dict(rows)))
    if not checked:
        raise UserError(f"--plugin {source}: adds nothing: it has none of {', '.join(REGISTRIES)}")
    return checked


def _check(label: str, name: object, row: object, registry: Registry[Row], module: ModuleType) -> None:
    if not isinstance(name, str) or not isinstance(row, registry.row):
        raise UserError(f"{label} must be a {registry.row.__name__} under a name, is {type(row).__name__}")
    if name in registry:
        raise UserError(f"{label}: there is a {registry.kind} of this name; a plugin must choose another")
    if not all(isinstance(text, str) for text in (row.target, row.about)):
        raise UserError(f"{label}: its target and about must be text, are {row.target!r} and {row.about!r}")
    for field, target in row.targets():
        if not _is_there(target, module):
            raise UserError(f"{label}: its {field} {target!r} is not there")


def _is_there(target: str, plugin: ModuleType) -> bool:
    """Whether a target's module can be found and, where it is the plugin or is loaded already, holds the attribute."""
    home, _, attribute = target.partition(":")
    module = plugin if home == plugin.__name__ else sys.modules.get(home)
    if module is not None:
        return hasattr(module, attribute)
    try:
        # A module that is not loaded yet stays so: it may be heavy.
        return bool(attribute) and find_spec(home) is not None
    except (ImportError, ValueError):
        return False


def _digest(module: ModuleType, source: str) -> str:
    """The sha256 digest of the module's file; for a package or a module of one, of all the package's Python files."""
    if module.__file__ is None:
        raise UserError(f"--plugin {source}: has no source file")
    top = sys.modules.get(module.__name__.partition(".")[0], module).__file__
    if top is None or Path(top).name != "__init__.py":
        return hashlib.sha256(Path(module.__file__).read_bytes()).hexdigest()
    folder, digest = Path(top).parent, hashlib.sha256()
    for name, source_file in sorted((file.relative_to(folder).as_posix(), file) for file in folder.rglob("*.py")):
        digest.update(f"{name}\0{hashlib.sha256(source_file.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()
