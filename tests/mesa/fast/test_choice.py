"""Which way computes the loss, what is said of it, and what is refused."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from mesa import InContextConfig, InContextTransformer, Run, RunConfig, TrainingConfig, fast
from mesa.config.yaml import parse
from mesa.errors import UserError
from mesa.fast import support
from mesa.fast.support import Wanted
from mesa.training.trainer import Trainer
from tasks import PairedReader


def way(wanted: Wanted = "auto", **fields):
    return fast.choose(InContextTransformer(InContextConfig(**fields), 4), PairedReader(), wanted)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, r"the compiled kernel \(\d+ prompts at once\)|tensor operations \(.*\)"),
        ({"d_model": 6}, r"tensor operations \(the kernel has no embedding and no input MLP\)"),
        ({"d_mlp": 5}, r"the model's own forward pass \(only layers of attention, .*\)"),
    ],
)
def test_the_fastest_way_that_is_exact_says_why_it_is_no_faster_one(fields, words):
    assert re.fullmatch(words, str(way(**fields)))


@pytest.mark.parametrize(
    ("wanted", "fields", "reason"),
    [
        ("kernel", {"d_model": 6}, "the kernel has no embedding"),
        ("kernel", {"causal": True}, "only layers of attention"),
        ("tensor", {"normalization": "LN"}, "only layers of attention"),
    ],
)
def test_a_way_that_cannot_be_had_is_refused_before_a_run_is_made(tmp_path, wanted, fields, reason):
    with pytest.raises(UserError, match=f"^training.fast: '{wanted}' is refused: {reason}"):
        way(wanted, **fields)
    with pytest.raises(UserError, match=f"^training.fast: '{wanted}' is refused: {reason}"):
        Run.create(tmp_path / "run", parse({"model": fields, "training": {"fast": wanted}}))
    assert not list(Path(tmp_path).iterdir())


@pytest.mark.parametrize(
    ("fields", "context", "words"),
    [
        ({"n_layers": 2, "kernel": "softmax"}, 2000, r"the kernel would take about [\d,]+ MB of memory"),
        ({"n_heads": 300, "d_head": 1}, 5, "the code of 1 layers of 300 heads would take long to compile"),
    ],
)
def test_a_kernel_that_would_be_too_large_is_neither_made_nor_taken(fields, context, words):
    pytest.importorskip("llvmlite")
    task = {"name": "linear_regression", "d_in": 3, "context": context}
    config = parse({"task": task, "model": fields, "training": {"batch": 2, "held_out": 2}})
    if support.machine_for(InContextTransformer(InContextConfig(), 4)) is None:
        pytest.skip("this processor has neither AVX2 nor AVX-512")
    assert re.fullmatch(rf"tensor operations \({words}\)", str(Trainer(config, 0).choice))
    training = config.training.model_copy(update={"fast": "kernel"})
    with pytest.raises(UserError, match=f"^training.fast: 'kernel' is refused: {words}"):
        Trainer(config.model_copy(update={"training": training}), 0)


def test_without_llvmlite_tensors_take_over(monkeypatch):
    monkeypatch.setattr(support, "_has_llvmlite", lambda: False)
    assert str(way()) == "tensor operations (llvmlite is not installed: pip install mesa-probes[fast])"
    with pytest.raises(UserError, match="llvmlite is not installed"):
        way("kernel")


@pytest.mark.parametrize("error", ["ImportError", "OSError", "RuntimeError"])
def test_with_an_llvmlite_that_does_not_load_tensors_take_over(tmp_path, error):
    (tmp_path / "llvmlite.py").write_text(f"raise {error}('no libLLVM.so')")
    shown = python(
        "from mesa import InContextConfig, InContextTransformer, fast; from tasks import PairedReader;"
        "print(fast.choose(InContextTransformer(InContextConfig(), 4), PairedReader()))",
        str(tmp_path),
    )
    assert shown == "tensor operations (llvmlite is installed, but cannot be used: no libLLVM.so)"


def python(code: str, first: str) -> str:
    """What a new process prints that looks for modules in the folder `first` before all others."""
    code = f"import sys; sys.path.insert(0, {first!r}); {code}"
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def test_on_another_processor_tensors_take_over(monkeypatch):
    monkeypatch.setattr(support, "machine_for", lambda model: None)
    monkeypatch.setattr(support, "_has_llvmlite", lambda: True)
    monkeypatch.setattr(support, "_broken_llvmlite", lambda: "")
    assert str(way()) == "tensor operations (no kernel was measured on this processor)"


@pytest.mark.parametrize("wanted", ["plain", "tensor"])
def test_a_slower_way_is_taken_where_it_is_wanted(wanted):
    assert way(wanted).way == wanted
    config = RunConfig(training=TrainingConfig(fast=wanted))
    assert Trainer(config, 0).choice.way == wanted


def test_configurations_of_0_1_0_keep_their_meaning():
    assert parse({"training": {"fast": True}}).training.fast == "auto"
    assert parse({"training": {"fast": False}}).training.fast == "plain"
