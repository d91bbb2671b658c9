"""From the names in a configuration to a task, a reader and a model."""

import json
from dataclasses import asdict
from importlib import import_module
from typing import TYPE_CHECKING, Any

from mesa.errors import UserError, unknown
from tasks.catalogue import READERS, TASKS

if TYPE_CHECKING:
    from mesa.config import RunConfig
    from mesa.model import InContextTransformer
    from tasks.reader import Reader
    from tasks.task import Task


def task(settings: dict[str, Any]) -> "Task":
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


def known_reader(name: str) -> None:
    """UserError where no reader has this name."""
    if name not in READERS:
        raise unknown("reader", name, READERS)


def reader(config: "RunConfig") -> "Reader":
    """The reader of a run."""
    known_reader(config.reader)
    return _find(READERS[config.reader])(d_out=config.task["d_out"])


def d_token(task: "Task", reader: "Reader") -> int:
    """The width of the tokens that a reader makes of a task's prompts."""
    from mesa.rng import generator

    return reader.encode(task.sample(1, generator(0, "width"))).values.shape[-1]


def model(config: "RunConfig", seed: int) -> "InContextTransformer":
    """The untrained model of one seed, in the run's dtype and on its device."""
    import torch

    from mesa.model import InContextTransformer

    device = config.training.device
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise UserError(f"training.device: {device!r} is asked for, but torch sees no GPU here")
    width = d_token(task(config.task), reader(config))
    dtype = getattr(torch, config.training.dtype)
    return InContextTransformer(config.model, width, seed=seed, dtype=dtype, device=device)


def _find(entry: tuple[str, str, str]) -> Any:
    module, name, _ = entry
    return getattr(import_module(module), name)
