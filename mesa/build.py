"""From the names in a configuration to a task and a reader."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from functools import cache
from typing import TYPE_CHECKING, cast

from mesa.errors import UserError, unknown
from tasks.registry import READERS, TASKS

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from pydantic import TypeAdapter

    from mesa.config.schema import RunConfig
    from tasks.prompt import RegressionPrompt
    from tasks.readers.reader import Reader
    from tasks.task import Task, TokenTask


def task(settings: Mapping[str, object]) -> "Task | TokenTask":
    """The task that `settings` (its `name` and its fields) describe; UserError, field by field, where they do not.

    >>> task({"name": "linear_regression", "d_in": 3}).d_in
    3
    """
    from pydantic import ValidationError

    from mesa.config.validation import explain

    values = dict(settings)
    name = values.pop("name", None)
    if "name" not in settings:
        raise UserError(f"task.name: is not given, and has no default; known: {', '.join(TASKS)}")
    if not isinstance(name, str):
        shown = "null" if name is None else repr(name)
        raise UserError(f"task.name: {shown} is refused: it must be the name of a task; known: {', '.join(TASKS)}")
    cls = _class(name)
    try:
        # As JSON, strict validation takes an object for a dataclass and a list for a tuple; else it takes neither.
        return cast("Task | TokenTask", _adapter(cls).validate_json(json.dumps(values, default=str)))
    except ValidationError as error:
        raise UserError(explain(error, cls, "task")) from None


def complete_task(settings: Mapping[str, object]) -> dict[str, object]:
    """The same settings with every default filled in."""
    values = asdict(cast("DataclassInstance", task(settings)))
    listed = {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}
    return {"name": settings["name"], **listed}


def about_fields(name: str) -> dict[str, str]:
    """One sentence about each field of the task of this name; UserError where there is no such task."""
    return {field.name: field.metadata.get("about", "") for field in fields(_class(name))}


def reader(config: "RunConfig") -> "Reader":
    """The reader of a run."""
    make = cast("Callable[..., Reader]", READERS[config.reader].load())
    return make(**({"d_out": config.task["d_out"]} if "d_out" in config.task else {}))


def d_token(task: "Task", reader: "Reader[RegressionPrompt]") -> int:
    """The width of the tokens that a reader makes of a task's prompts."""
    from mesa.rng import generator

    return reader.encode(task.sample(1, generator(0, "width"))).values.shape[-1]


@cache
def _adapter(cls: type) -> "TypeAdapter[object]":
    # To make one takes milliseconds, and every reading of every seed asks for its task.
    from pydantic import TypeAdapter

    return TypeAdapter(cls)


def _class(name: str) -> type:
    if name not in TASKS:
        raise unknown("task.name", name, TASKS)
    return cast("type", TASKS[name].load())
