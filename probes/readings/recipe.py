"""A digest of all that a stored reading depends on: readings with the same recipe need not be measured again."""

import hashlib
import json
import sys
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import FunctionType

from torch import Tensor

from mesa import build, plugin
from mesa.storage.checkpoint import MANIFEST
from mesa.storage.run import Run
from mesa.storage.versions import FOLDERS, code_digest, versions
from probes.plan import Plan, rival_run


def recipe_of(plan: Plan, run: Run, seed: int) -> str:
    """The sha256 digest of what a plan's numbers for one seed depend on; "" where that cannot be told.

    These are the plan with all parameters of its probe, the run's task and reader, the checkpoints, this package's
    sources, the files of every class from elsewhere, the plugins that are loaded, and the versions of the libraries.
    A plugin counts even where the plan does not name it: its learners are candidates and its controls may apply.
    """
    try:
        described = [
            _described(plan),
            _described(build.task(run.config.task)),
            _described(build.reader(run.config)),
            _manifests(run, seed),
            [] if plan.rival is None else _manifests(rival_run(plan.rival, run), seed),
            code_digest(),
            _described(plugin.description()),
            versions(),
        ]
    except _Unknown:
        return ""
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()


class _Unknown(Exception):
    """A parameter whose value no digest can stand for."""


def _manifests(run: Run, seed: int) -> list[str]:
    # Also those that the plan does not select: which checkpoint is the last one decides where controls are measured.
    paths = run.checkpoints(seed).values()
    return [hashlib.sha256((path / MANIFEST).read_bytes()).hexdigest() for path in paths]


def _described(value: object) -> object:
    """A value as JSON, with its class and the source of a class that is not this package's."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Tensor):
        array = value.detach().cpu().contiguous()
        return ["tensor", str(array.dtype), list(array.shape), hashlib.sha256(array.numpy().tobytes()).hexdigest()]
    if isinstance(value, list | tuple):
        return [_described(item) for item in value]
    if isinstance(value, Mapping):
        return {str(name): _described(item) for name, item in value.items()}
    if isinstance(value, FunctionType) and "<" not in value.__qualname__:
        return [f"{value.__module__}:{value.__qualname__}", _source(value.__module__)]
    if is_dataclass(value) and not isinstance(value, type):
        members = {field.name: _described(getattr(value, field.name)) for field in fields(value)}
        return [f"{type(value).__module__}:{type(value).__qualname__}", _source(type(value).__module__), members]
    raise _Unknown


def _source(module: str) -> str:
    if module.partition(".")[0] in FOLDERS:
        return "this package"
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is None:
        raise _Unknown
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()
