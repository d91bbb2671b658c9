"""A configuration that cannot be trained is refused before anything is made, by the field that is at fault."""

from pathlib import Path
from typing import Any

import pytest
import torch

from mesa.config.yaml import parse
from mesa.errors import UserError
from mesa.storage.run import Run

LANGUAGE = {"task": {"name": "markov_chain"}, "reader": "next_token", "model": {"kind": "language", "d_model": 4}}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"task": {"name": "linear_regression", "input_scale": 1e300}}, r"task\.input_scale: 1e\+300 is refused: "),
        (
            {"task": {"name": "linear_regression", "teacher_scale": 1e30}},
            r"task\.teacher_scale: 1e\+30 is refused: the loss is not finite in float32",
        ),
        (
            {"model": {"init_variance": 1e300}},
            r"model\.init_variance: 1e\+300 is refused: the loss is not finite in float32",
        ),
        (
            {**LANGUAGE, "model": {**LANGUAGE["model"], "init_variance": 1e300}},
            r"model\.init_variance: 1e\+300 is refused: the loss is not finite in float32",
        ),
        *(
            ({"model": {"d_model": 8, field: 10**9}}, rf"model\.{field}: 1000000000 is refused: a model with [0-9,]+ w")
            for field in ("n_layers", "n_heads", "d_head", "d_mlp", "d_model", "input_mlp")
        ),
        ({"model": {"n_layers": 10**9, "tied": True}}, r"model\.n_layers: 1000000000 is refused: a model with"),
        (
            {**LANGUAGE, "model": {**LANGUAGE["model"], "d_model": 10**9}},
            r"model\.d_model: 1000000000 is refused: a model with [0-9,]+ weights takes [0-9,]+ GiB where there are",
        ),
    ],
)
def test_numbers_that_overflow_are_refused_by_their_field(
    tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=f"^{message}") as caught:
        Run.create(tmp_path / "new" / "run", parse(settings))
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {**LANGUAGE, "task": {"name": "markov_chain", "length": 2000}},
            r"task\.length: 2000 is refused: a model with",
        ),
        (
            {"task": {"name": "linear_regression", "context": 2000}},
            r"task\.context: 2000 is refused: attention on 4 prompts takes [0-9,]+ GiB where there are",
        ),
    ],
)
def test_prompts_too_long_for_the_memory_are_refused_by_their_length(
    tmp_path: Path, settings: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mesa.config.check.available", lambda: 2_000_000)
    few = {"training": {"batch": 1, "held_out": 1}}
    with pytest.raises(UserError, match=f"^{message}"):
        Run.create(tmp_path / "run", parse({**settings, **few}))
    assert not list(tmp_path.iterdir())


def test_a_device_that_is_not_there_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    missing = "cuda" if not torch.cuda.is_available() else f"cuda:{torch.cuda.device_count()}"
    with pytest.raises(UserError, match=rf"^training\.device: '{missing}' is asked for, but"):
        Run.create(tmp_path / "run", parse({"training": {"device": missing}}))
    assert not list(tmp_path.iterdir())


def test_what_can_be_trained_is_made(tmp_path: Path) -> None:
    for name, settings in (("regression", {}), ("language", LANGUAGE)):
        assert Run.create(tmp_path / name, parse(settings)).config == parse(settings)


@pytest.mark.parametrize("name", ["batch", "held_out"])
def test_more_prompts_than_memory_holds_are_refused_by_their_field(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=rf"^training\.{name}: 2147483648 is refused: so many prompts take \d+ GiB"):
        Run.create(tmp_path / "run", parse({"training": {name: 2**31}}))
    assert not list(tmp_path.iterdir())
