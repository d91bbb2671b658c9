"""Swapped, missing, added or misshapen tensors, under file digests or all digests made valid again; moved directories.

Whatever is wrong, a trainer that was asked to continue from it is as it was before: nothing is half loaded.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from mesa.errors import DamagedCheckpoint
from mesa.storage.run import Run, load_model
from mesa.training.seed import _restore
from mesa.training.trainer import Trainer

MODEL, TRAINER = "model.safetensors", "trainer.safetensors"
Q, K = "blocks.0.attn.W_Q", "blocks.0.attn.W_K"
Change = Callable[[dict[str, Any]], Any]


def swap(tensors: dict[str, Any], one: str, other: str) -> None:
    tensors[one], tensors[other] = tensors[other], tensors[one]


def drop_a_row(tensors: dict[str, Any], name: str) -> None:
    tensors[name] = tensors[name][:, 1:].clone()


def spoil(tensors: dict[str, Any], name: str, number: float) -> None:
    tensors[name].view(-1)[0] = number


def cast(tensors: dict[str, Any], name: str, dtype: torch.dtype) -> None:
    tensors[name] = tensors[name].to(dtype)


def snapshot(trainer: Trainer) -> dict[str, torch.Tensor]:
    state = {**trainer.model_state(), **trainer.trainer_state()}
    return {name: tensor.detach().clone() for name, tensor in state.items()}


def refused(run: Run, reason: str, file: str) -> None:
    """Each way to read seed 0's last checkpoint names the file and the reason, and changes nothing."""
    trainer = Trainer(run.config, 0)
    before = snapshot(trainer)
    with pytest.raises(DamagedCheckpoint, match=reason) as caught:
        _restore(run, 0, trainer)
    assert str(caught.value).startswith(f"{run.checkpoints(0)[150] / file}: ") and "\n" not in str(caught.value)
    after = snapshot(trainer)
    assert all(torch.equal(before[name], after[name]) for name in before), "half loaded"
    if file != TRAINER:
        with pytest.raises(DamagedCheckpoint, match=reason):
            run.load(0)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda t: swap(t, Q, K), f"tensor '{K}' is not the one that was saved"),
        (lambda t: t.pop(Q), f"tensor '{Q}' is missing"),
        (lambda t: t.update(extra=torch.zeros(2)), "tensor 'extra' is not in manifest.json"),
        (lambda t: spoil(t, Q, 0.0), f"tensor '{Q}' is not the one that was saved"),
        (lambda t: drop_a_row(t, Q), f"tensor '{Q}' is not the one that was saved"),
        # The same bytes under another type.
        (lambda t: t.update({Q: t[Q].view(torch.int32)}), f"tensor '{Q}' is not the one that was saved"),
    ],
)
def test_tensors_are_checked_though_the_files_digest_is_valid(
    copied: Run, forge: Any, change: Change, reason: str
) -> None:
    forge(copied.checkpoints(0)[150]).tensors(MODEL, change, honest=False)
    refused(copied, reason, MODEL)


OTHER_TYPES = (torch.float64, torch.float16, torch.int32, torch.bool, torch.complex64, torch.float8_e4m3fn)


@pytest.mark.parametrize(("file", "name"), [(MODEL, Q), (TRAINER, f"exp_avg_sq/{Q}")])
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda t, name: t.pop(name), "is missing"),
        (lambda t, name: t.update(extra=torch.zeros(2)), "tensor 'extra' is not expected"),
        (drop_a_row, r"is float32 \(1, 3, 4\), the model's is float32 \(1, 4, 4\)"),
        *[(lambda t, name, x=x: spoil(t, name, x), "is not finite") for x in (float("nan"), float("inf"))],
        *[(lambda t, name, kind=kind: cast(t, name, kind), "the model's is float32") for kind in OTHER_TYPES],
    ],
)
def test_tensors_are_checked_though_every_digest_is_valid(
    copied: Run, forge: Any, file: str, name: str, change: Callable[..., Any], reason: str
) -> None:
    forge(copied.checkpoints(0)[150]).tensors(file, lambda tensors: change(tensors, name))
    refused(copied, reason, file)


def test_a_forgery_without_a_change_is_accepted(copied: Run, forge: Any) -> None:
    # The control of the tests above: what they see is the change, not the forging.
    for file in (MODEL, TRAINER):
        forge(copied.checkpoints(0)[150]).tensors(file, lambda tensors: None)
    assert _restore(copied, 0, Trainer(copied.config, 0)) == 150
    copied.load(0)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda m: m.update(format=2), "is not a manifest of format 1"),
        (lambda m: m.pop("step"), "is not a manifest of format 1"),
        (lambda m: m.update(step="150"), "is not a manifest of format 1"),
        (lambda m: m["files"].update({MODEL: None}), "is not described in manifest.json"),
        (lambda m: m["tensors"].pop(MODEL), "is not described in manifest.json"),
        (lambda m: m.update(step=149), "is of seed 0, step 149, and lies elsewhere"),
        (lambda m: m.update(seed=1), "is of seed 1, step 150, and lies elsewhere"),
        (lambda m: m["config"]["training"].update(batch=17), "training.batch is 17, the run's 16"),
        (lambda m: m["config"]["task"].update(law="normal"), "task.law is 'normal', the run's 'uniform'"),
        (lambda m: m["config"].update(nonsense=1), "nonsense: unknown key"),
        (lambda m: m["config"]["training"].update(batch="many"), "training.batch: 'many' is refused"),
    ],
)
def test_a_manifest_is_checked_though_its_digest_is_valid(copied: Run, forge: Any, change: Change, reason: str) -> None:
    forge(copied.checkpoints(0)[150]).manifest(change)
    refused(copied, reason, MODEL if "described" in reason else "manifest.json")


@pytest.mark.parametrize("origin", ["seed-0/checkpoints/step-000133", "seed-1/checkpoints/step-000150"])
def test_a_checkpoint_that_was_moved_is_refused(copied: Run, origin: str) -> None:
    last = copied.checkpoints(0)[150]
    shutil.rmtree(last)
    shutil.copytree(copied.path / origin, last)
    refused(copied, "and lies elsewhere", "manifest.json")


def test_a_model_is_refused_from_a_manifest_of_nonsense(copied: Run, forge: Any) -> None:
    path = copied.checkpoints(0)[150]
    forge(path).manifest(lambda manifest: manifest["config"]["model"].update(n_layers=-1))
    with pytest.raises(DamagedCheckpoint, match=r"manifest.json: .*model.n_layers"):
        load_model(path)


def test_verify_counts_and_names_the_damaged(copied: Run) -> None:
    whole, damaged = copied.verify()
    assert not damaged and whole == len(copied.checkpoints(0)) + len(copied.checkpoints(1))
    file: Path = copied.checkpoints(1)[150] / "manifest.json"
    file.write_text(json.dumps(json.loads(file.read_text())))
    assert [str(error) for error in copied.verify()[1]] == [f"{file}: does not match its own digest"]
