"""Tasks and readers by the names that a configuration gives them."""

import json
from dataclasses import asdict
from importlib import import_module
from typing import Any

from mesa.errors import UserError, unknown
from tasks.catalogue import READERS, TASKS


def task(settings: dict[str, Any]) -> Any:
    """The task that `settings` (its `name` and its fields) describe; UserError, field by field, where they do not.

    >>> task({"name": "linear_regression", "d_in": 3}).d_in
    3
    """
    from pydantic import TypeAdapter, ValidationError

    from mesa.validation import explain

    fields = dict(settings)
    cls = task_class(str(fields.pop("name", None)))
    try:
        # As JSON, strict validation takes an object for a dataclass and a list for a tuple; else it takes neither.
        return TypeAdapter(cls).validate_json(json.dumps(fields, default=str))
    except ValidationError as error:
        raise UserError(explain(error, cls, "task")) from None


def task_class(name: str) -> Any:
    """The class of the task of this name; UserError where there is none."""
    if name not in TASKS:
        raise unknown("task.name", name, TASKS)
    return _find(TASKS[name])


def checked_task(settings: dict[str, Any]) -> dict[str, Any]:
    """The same settings with every default filled in."""
    values = asdict(task(settings))  # pyright: ignore[reportArgumentType]
    listed = {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}
    return {"name": settings["name"], **listed}


def reader_class(name: str) -> Any:
    """The class of the reader of this name; UserError where there is none."""
    if name not in READERS:
        raise unknown("reader", name, READERS)
    return _find(READERS[name])


def _find(entry: tuple[str, str, str]) -> Any:
    module, name, _ = entry
    return getattr(import_module(module), name)
