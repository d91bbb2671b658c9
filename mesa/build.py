"""From the names in a configuration to a task, a reader and a model."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from mesa.errors import UserError, unknown
from tasks.registry import READERS, TASKS

if TYPE_CHECKING:
    from mesa.config.schema import RunConfig
    from tasks.readers.reader import Reader
    from tasks.task import Task


def task(settings: Mapping[str, Any]) -> Any:
    """The task that `settings` (its `name` and its fields) describe; UserError, field by field, where they do not.

    >>> task({"name": "linear_regression", "d_in": 3}).d_in
    3
    """
    from pydantic import TypeAdapter, ValidationError

    from mesa.config.validation import explain

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
    return TASKS[name].load()


def complete_task(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The same settings with every default filled in."""
    values = asdict(task(settings))
    listed = {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}
    return {"name": settings["name"], **listed}


def reader(config: "RunConfig") -> "Reader":
    """The reader of a run."""
    cls: Any = READERS[config.reader].load()
    return cls(**({"d_out": config.task["d_out"]} if "d_out" in config.task else {}))


def d_token(task: "Task", reader: "Reader") -> int:
    """The width of the tokens that a reader makes of a task's prompts."""
    from mesa.rng import generator

    return reader.encode(task.sample(1, generator(0, "width"))).values.shape[-1]
