"""An exception in a plugin's code becomes one line that names the plugin, its row, and where it failed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from traceback import walk_tb
from types import FrameType

from mesa.errors import UserError
from tasks.registry import Plugin, plugin_of, plugins


@contextmanager
def naming_plugins(work: str, kind: str = "", name: str = "") -> Iterator[None]:
    """Within this context an exception that a plugin is behind is raised as a UserError; its cause is the exception.

    A plugin is behind it where its code was running, or where it added the row of this `kind` and `name`, which the
    work is about. `work` says what was being done, and to which seed. Other exceptions pass as they are.
    """
    try:
        yield
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        failure = failure_of(error, kind, name)
        if failure is None:
            raise
        raise UserError(f"{work}: {failure}") from error


def failure_of(error: BaseException, kind: str = "", name: str = "") -> str | None:
    """Which plugin and which row of it an exception comes from, where, and what it says; None where from none."""
    reason = f"{type(error).__name__}: {' '.join(str(error).split()) or 'no reason is given'}"
    frames = [(frame, line, _owner(frame)) for frame, line in walk_tb(error.__traceback__)]
    inside = [(frame, line, plugin) for frame, line, plugin in frames if plugin is not None]
    if inside:
        frame, line, plugin = inside[-1]
        # What ran last may be a helper; the row is what called it.
        rows = [_row(caller, plugin) for caller, _, owner in inside if owner is plugin]
        known = [row for row in rows if row] or ([f"{kind} {name!r}"] if plugin_of(kind, name) is plugin else ["a row"])
        source_line = f"{Path(frame.f_code.co_filename).name}, line {line}"
        return f"{known[-1]} of the plugin {plugin.module!r} failed ({source_line}): {reason}"
    plugin = plugin_of(kind, name)
    return None if plugin is None else f"{kind} {name!r} of the plugin {plugin.module!r} failed: {reason}"


def _owner(frame: FrameType) -> Plugin | None:
    """The plugin whose code a frame runs."""
    module = str(frame.f_globals.get("__name__", ""))
    for plugin in plugins():
        if module == plugin.module or module.startswith(plugin.module + "."):
            return plugin
    return None


def _row(frame: FrameType, plugin: Plugin) -> str:
    """The kind and the name of the row that a frame runs, as a function or as a method; else nothing."""
    names = {frame.f_code.co_name, type(frame.f_locals.get("self")).__name__}
    return next((f"{kind} {name!r}" for kind, name, target in plugin.rows if target.partition(":")[2] in names), "")
