"""Checkpoints that are whole or refused: atomic to write, every byte accounted for on reading.

A checkpoint is a directory of `model.safetensors`, `trainer.safetensors` and `manifest.json`. The manifest is canonical
JSON (sorted keys, fixed separators), so that it has exactly one valid spelling, and holds a digest of every file, of
every tensor and of itself: safetensors alone loads most flipped bytes without a word.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as parse_safetensors
from safetensors.torch import save as dump_safetensors
from torch import Tensor

from mesa.errors import DamagedCheckpoint
from mesa.storage.files import sync_directory, write_synced
from mesa.storage.records import Decision

FORMAT = 1
MODEL, TRAINER, MANIFEST = "model.safetensors", "trainer.safetensors", "manifest.json"
Tensors = dict[str, Tensor]


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What was saved: the weights, the optimiser's state, and the manifest's description of both."""

    path: Path
    config: Mapping[str, object]
    seed: int
    step: int
    model: Tensors
    trainer: Tensors
    versions: dict[str, str]
    decision: Decision | None = None


def save(
    path: Path,
    *,
    config: Mapping[str, object],
    seed: int,
    step: int,
    model: Tensors,
    trainer: Tensors,
    decision: Decision | None = None,
) -> None:
    """Write a checkpoint directory: first to a temporary neighbour, flushed, then renamed into place.

    Raises OSError, and leaves no temporary directory, where it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        # A run without a decision has no field for it, as in versions that knew none.
        decided = {} if decision is None else {"decision": decision}
        body = {"format": FORMAT, "config": config, "seed": seed, "step": step, **decided}
        _write(temporary, body, {MODEL: model, TRAINER: trainer})
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise OSError(error.errno, error.strerror, str(path)) from None
    if path.exists():
        remove(path)
    temporary.rename(path)
    sync_directory(path.parent)


def _write(directory: Path, body: Mapping[str, object], contents: dict[str, Tensors]) -> None:
    from mesa.storage.versions import versions

    files, tensors = {}, {}
    for name, content in contents.items():
        ordered = {key: content[key].detach().cpu().contiguous() for key in sorted(content)}
        data = dump_safetensors(ordered)
        write_synced(directory / name, data)
        files[name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        tensors[name] = {key: _describe(tensor) for key, tensor in ordered.items()}
    described = {"versions": versions(), "files": files, "tensors": tensors}
    write_synced(directory / MANIFEST, _sealed({**body, **described}))
    sync_directory(directory)


def remove(path: Path) -> None:
    """Delete a checkpoint directory: first renamed, so that no half-deleted checkpoint is ever seen."""
    rubbish = path if path.name.startswith(".") else path.with_name(f".{path.name}.tmp-gone-{os.getpid()}")
    if rubbish != path:
        path.rename(rubbish)
    shutil.rmtree(rubbish)


def load(path: Path) -> Checkpoint:
    """Read a checkpoint and check all of it; DamagedCheckpoint names the file and the reason.

    Refused: a flipped bit anywhere, a truncated or missing file, a missing, added, swapped or reshaped tensor, and
    a number that is not finite, even under valid digests.
    """
    manifest = _manifest(path)
    loaded = {name: _tensors(path, name, manifest) for name in (MODEL, TRAINER)}
    return Checkpoint(
        path,
        manifest["config"],
        manifest["seed"],
        manifest["step"],
        loaded[MODEL],
        loaded[TRAINER],
        manifest["versions"],
        manifest.get("decision"),
    )


def fill(path: Path, target: Tensors, saved: Tensors, file: str = MODEL) -> None:
    """Copy saved tensors into a model's; DamagedCheckpoint, before anything is copied, where they do not fit."""
    for problem, names in (
        ("is missing", target.keys() - saved.keys()),
        ("is not expected", saved.keys() - target.keys()),
    ):
        if names:
            raise DamagedCheckpoint(f"{path / file}: tensor {min(names)!r} {problem}")
    for name, tensor in saved.items():
        if tensor.shape != target[name].shape or tensor.dtype != target[name].dtype:
            saved_kind, model_kind = _kind(tensor), _kind(target[name])
            raise DamagedCheckpoint(f"{path / file}: tensor {name!r} is {saved_kind}, the model's is {model_kind}")
    with torch.no_grad():
        for name, tensor in saved.items():
            target[name].copy_(tensor)


def finite(tensor: Tensor) -> bool:
    """Is every number finite? Integers are."""
    # Through float64, which holds every smaller type: isfinite itself knows no 8-bit floats.
    return not tensor.is_floating_point() or bool(torch.isfinite(tensor.double()).all())


def _manifest(path: Path) -> dict[str, Any]:
    file = path / MANIFEST
    data = _read(file)
    try:
        manifest = json.loads(data)
        body = {key: value for key, value in manifest.items() if key != "digest"}
        sealed = _sealed(body) == data
        type_by_field = {
            "format": int,
            "config": dict,
            "seed": int,
            "step": int,
            "versions": dict,
            "files": dict,
            "tensors": dict,
        }
        complete = all(isinstance(body.get(key), kind) for key, kind in type_by_field.items())
        complete = complete and ("decision" not in body or _is_decision(body["decision"], body["step"]))
    except (ValueError, AttributeError, RecursionError, TypeError, KeyError):
        raise DamagedCheckpoint(f"{file}: is not the JSON that was written") from None
    if not sealed:
        raise DamagedCheckpoint(f"{file}: does not match its own digest")
    if not complete or manifest["format"] != FORMAT:
        raise DamagedCheckpoint(f"{file}: is not a manifest of format {FORMAT}")
    return manifest


def _is_decision(decision: Mapping[str, object], step: int) -> bool:
    """Whether a decision has its two fields and was made at this step or before."""
    begin, settled = decision["cosine_from"], decision["settled"]
    return isinstance(begin, int) and isinstance(settled, bool) and 1 <= begin <= step and len(decision) == 2


def _tensors(path: Path, name: str, manifest: dict[str, Any]) -> Tensors:
    file, described, expected = path / name, manifest["files"].get(name), manifest["tensors"].get(name)
    if not isinstance(described, dict) or not isinstance(expected, dict):
        raise DamagedCheckpoint(f"{file}: is not described in {MANIFEST}")
    data = _read(file)
    if len(data) != described.get("bytes"):
        raise DamagedCheckpoint(f"{file}: holds {len(data)} bytes, {described.get('bytes')} were written")
    if hashlib.sha256(data).hexdigest() != described.get("sha256"):
        raise DamagedCheckpoint(f"{file}: its content does not match its digest")
    try:
        tensors = parse_safetensors(data)
    except (SafetensorError, ValueError, KeyError, RuntimeError) as error:
        raise DamagedCheckpoint(f"{file}: is not a safetensors file: {error}") from None
    for key in sorted(expected.keys() | tensors.keys()):
        if key not in tensors:
            raise DamagedCheckpoint(f"{file}: tensor {key!r} is missing")
        if key not in expected:
            raise DamagedCheckpoint(f"{file}: tensor {key!r} is not in {MANIFEST}")
        if _describe(tensors[key]) != expected[key]:
            raise DamagedCheckpoint(f"{file}: tensor {key!r} is not the one that was saved")
        if not finite(tensors[key]):
            raise DamagedCheckpoint(f"{file}: tensor {key!r} holds a number that is not finite")
    return tensors


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise DamagedCheckpoint(f"{file}: cannot be read: {error.strerror}") from None


def _describe(tensor: Tensor) -> dict[str, object]:
    raw = tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()
    return {"dtype": str(tensor.dtype), "shape": list(tensor.shape), "sha256": hashlib.sha256(raw).hexdigest()}


def _kind(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"


def _sealed(body: Mapping[str, object]) -> bytes:
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False)
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    return json.dumps({**body, "digest": digest}, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
