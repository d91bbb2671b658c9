"""A digest of all that a stored reading depends on: readings with the same recipe need not be measured again."""

import hashlib
import json
import sys
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import FunctionType

import torch
from torch import Tensor

from mesa import build, plugin
from mesa.storage.checkpoint import MANIFEST
from mesa.storage.run import Run
from mesa.storage.versions import FOLDERS, code_digest, versions
from probes.plan import Plan, rival_run, rival_seed
from tasks.registry import plugin_of


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
            _rival_manifests(plan, run, seed),
            code_digest(),
            _described(plugin.description()),
            versions(),
        ]
    except _Unknown:
        return ""
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()


def origin_of(plan: Plan) -> dict[str, str]:
    """How a plan's numbers are made, in words by setting: the same for all seeds of one call.

    `plugin` is the module that added the probe's row, where one did.
    """
    owner = plugin_of("probe", plan.probe.name)
    settings = {field.name: getattr(plan, field.name) for field in fields(plan) if field.name != "probe"}
    if is_dataclass(plan.probe):
        settings |= {field.name: getattr(plan.probe, field.name) for field in fields(plan.probe)}
    origin = {name: _words(value) for name, value in settings.items()}
    return origin if owner is None else {**origin, "plugin": owner.module}


class _Unknown(Exception):
    """A parameter whose value no digest can stand for."""


def _manifests(run: Run, seed: int) -> list[str]:
    # Also those that the plan does not select: which checkpoint is the last one decides where controls are measured.
    paths = run.checkpoints(seed).values()
    return [hashlib.sha256((path / MANIFEST).read_bytes()).hexdigest() for path in paths]


def _rival_manifests(plan: Plan, run: Run, seed: int) -> list[str]:
    if plan.rival is None:
        return []
    rival = rival_run(plan.rival, run)
    return _manifests(rival, rival_seed(plan, rival, seed))


def _words(value: object) -> str:
    try:
        return json.dumps(_described(value))
    except _Unknown:
        return type(value).__qualname__


def _described(value: object) -> object:
    """A value as JSON, with its class and the source of a class that is not this package's."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Tensor):
        # As bytes: numpy knows no bfloat16.
        raw = value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()
        return ["tensor", str(value.dtype), list(value.shape), hashlib.sha256(raw).hexdigest()]
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
