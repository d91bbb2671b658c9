"""Models of others: loaded as they were saved, open to edits, probed like our own, refused in one line."""

import json
import random
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from mesa import generator
from mesa.errors import UserError
from probes import LanguageSubject, load_pretrained, pretrained_subject, probe_subjects
from probes.controls.untrained import untrained
from probes.measure import measure
from probes.plan import probe_of
from probes.probe import Skipped
from probes.readings.reading import Reading
from probes.registry import PROBES
from tasks import NextTokenReader, RepeatedTokens
from tests.helpers.hugging_face import CONTEXT, NAMES, VOCABULARY, hooked, made, saved

APPLY = ("token_alignment", "induction_scores", "composition", "induction_as_gradient_step")


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("hugging-face")
    return {name: saved(name, folder) for name in NAMES}


@pytest.fixture(scope="module")
def bridges(places: dict[str, Path]) -> dict[str, Any]:
    return {name: load_pretrained(place) for name, place in places.items()}


def ids(count: int = 3, length: int = 9) -> Tensor:
    return torch.randint(VOCABULARY, (count, length), generator=generator(0, "tests/ids"))


@pytest.mark.parametrize("name", NAMES)
def test_logits_are_those_of_the_saved_model(bridges: dict[str, Any], name: str) -> None:
    with torch.no_grad():
        expected, found = made(name)(ids()).logits, bridges[name](ids())
    # Two orders of the same float32 sums.
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    assert not bridges[name].training


@pytest.mark.parametrize("layer", [0, 1])
@pytest.mark.parametrize("name", NAMES)
def test_an_edited_pattern_moves_what_the_layer_writes_and_the_logits(
    bridges: dict[str, Any], name: str, layer: int
) -> None:
    model, fired = bridges[name], []

    def uniform(pattern: Tensor, hook: Any) -> Tensor:
        fired.append(hook.name)
        return torch.ones_like(pattern).tril() / torch.arange(1, pattern.shape[-1] + 1)[:, None]

    with torch.no_grad():
        before = model(ids())
        with model.hooks([(f"blocks.{layer}.attn.hook_pattern", uniform)]):
            after, cache = model.run_with_cache(ids())
    assert len(fired) == 1
    assert (after - before).abs().max() > 0.1
    value = cache[f"blocks.{layer}.attn.hook_v"]
    value = value.repeat_interleave(model.cfg.n_heads // value.shape[2], dim=2)
    written = (value.cumsum(dim=1) / torch.arange(1, 10)[:, None, None]).flatten(2) @ model.W_O[layer].flatten(0, 1)
    found = cache[f"blocks.{layer}.hook_attn_out"] - bias(model, layer)
    torch.testing.assert_close(found, written, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("head", [0, 3])
@pytest.mark.parametrize("name", NAMES)
def test_a_head_without_output_takes_away_what_W_O_says(bridges: dict[str, Any], name: str, head: int) -> None:
    model = bridges[name]

    def silence(z: Tensor, hook: Any) -> Tensor:
        z = z.clone()
        z[:, :, head] = 0
        return z

    with torch.no_grad():
        logits, clean = model.run_with_cache(ids())
        with model.hooks([("blocks.0.attn.hook_z", silence)]):
            silenced, edited = model.run_with_cache(ids())
    lost = clean["blocks.0.attn.hook_z"][:, :, head] @ model.W_O[0, head]
    found = clean["blocks.0.hook_attn_out"] - edited["blocks.0.hook_attn_out"]
    torch.testing.assert_close(found, lost, atol=1e-5, rtol=1e-5)
    assert (logits - silenced).abs().max() > 1e-2
    assert not any(point.fwd_hooks for point in model.hook_dict.values())


def bias(model: Any, layer: int) -> Tensor | float:
    try:
        return model.b_O[layer]
    except TypeError:  # Llama has none
        return 0.0


@pytest.mark.parametrize("name", NAMES)
def test_the_default_task_fits_the_model(places: dict[str, Path], name: str) -> None:
    subject = pretrained_subject(places[name])
    assert (subject.run, subject.kind, subject.step) == (name, "tokens", None)
    assert isinstance(subject.task, RepeatedTokens)
    assert (subject.task.d_vocab, subject.task.n_ctx, subject.task.first) == (VOCABULARY, CONTEXT, 3)
    prompt = subject.prompts(4, generator(0, "tests/prompts"))
    logits = subject.predict(prompt)
    assert logits.shape == (4, CONTEXT, VOCABULARY)
    assert subject.reader.loss(logits, prompt).isfinite()


def test_a_task_that_does_not_fit_is_refused(places: dict[str, Path]) -> None:
    with pytest.raises(UserError, match="asks for 41 ids, the model has 40"):
        pretrained_subject(places["gpt2"], RepeatedTokens(vocabulary=40, length=8, shortest=2, longest=4))
    with pytest.raises(UserError, match="asks for 48 positions, the model has 32"):
        pretrained_subject(places["gpt2"], RepeatedTokens(vocabulary=30))


def test_loading_touches_neither_network_nor_random_state_nor_settings(
    places: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers.utils import logging

    def refuse(*_: Any) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    before = global_states()
    for name in NAMES:
        untrained(pretrained_subject(places[name]))
    assert global_states() == before
    assert (level, bars) == (logging.get_verbosity(), logging.is_progress_bar_enabled())


@pytest.mark.parametrize("name", NAMES)
def test_the_untrained_control_has_weights_of_its_own(places: dict[str, Path], name: str) -> None:
    subject = pretrained_subject(places[name])
    before = of(subject).W_E.clone()
    first, again = untrained(subject), untrained(subject)
    assert isinstance(first, LanguageSubject) and isinstance(again, LanguageSubject)
    assert torch.equal(of(first).W_Q, of(again).W_Q)
    assert (of(first).W_Q - of(subject).W_Q).abs().max() > 1e-2
    assert torch.equal(of(subject).W_E, before)
    assert (first.control, first.step) == ("untrained", 0)


@pytest.mark.parametrize("name", list(PROBES))
def test_every_probe_answers_or_says_why_not(bridges: dict[str, Any], name: str) -> None:
    subject, model = subject_of(bridges["llama"]), bridges["llama"]
    state = {key: value.clone() for key, value in model.state_dict().items()}
    before = torch.get_rng_state()
    outcome = measure(probe_of(name, 6), subject)
    if isinstance(outcome, Reading):
        assert len(outcome.table)
    else:
        assert outcome.reason and "\n" not in outcome.reason
    assert isinstance(outcome, Reading) or name not in APPLY
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
    assert not any(point.fwd_hooks or point.bwd_hooks for point in model.hook_dict.values())
    assert not model.training and all(weight.grad is None for weight in model.parameters())


@pytest.mark.parametrize("name", APPLY)
def test_a_bridge_and_a_plain_hooked_transformer_of_the_same_weights_read_alike(
    bridges: dict[str, Any], name: str
) -> None:
    plain = hooked(bridges["gpt2"])
    torch.testing.assert_close(plain(ids()), bridges["gpt2"](ids()), atol=1e-5, rtol=1e-5)
    first, other = (measure(probe_of(name, 6), subject_of(model)) for model in (plain, bridges["gpt2"]))
    assert isinstance(first, Reading) and isinstance(other, Reading)
    assert first.table["metric"].tolist() == other.table["metric"].tolist()
    # Float32 forward passes in two orders, 1e-7 each, behind eigenvalues and ratios.
    np.testing.assert_allclose(first.table["value"], other.table["value"], atol=1e-4, rtol=1e-4)


def test_weights_that_would_be_misread_are_refused_in_one_line(tmp_path: Path) -> None:
    subject = pretrained_subject(saved("gemma", tmp_path))
    for name in ("induction_scores", "composition", "induction_as_gradient_step"):
        outcome = measure(probe_of(name), subject)
        assert isinstance(outcome, Skipped) and "gains or a cap differ" in outcome.reason
    # What asks for no weights still reads it.
    assert isinstance(measure(probe_of("token_alignment", 8), subject), Reading)


def test_a_hook_point_that_never_fires_skips_the_probe_and_no_other(tmp_path: Path) -> None:
    subject = pretrained_subject(saved("opt", tmp_path))
    reading, skipped = probe_subjects([probe_of("head_attribution", 8), probe_of("token_alignment", 8)], [subject], ())
    assert [item.probe for item in skipped] == ["head_attribution"]
    assert "hook_pattern" in skipped[0].reason
    assert reading.table["probe"].unique().tolist() == ["token_alignment"]


def test_many_subjects_of_other_people_stand_in_one_table(bridges: dict[str, Any]) -> None:
    subjects = [subject_of(bridges["gpt_neox"], "bridge"), subject_of(hooked(bridges["gpt2"]), "plain")]
    reading, skipped = probe_subjects([probe_of("token_alignment", 6), probe_of("gd_alignment")], subjects)
    assert set(reading.table["run"]) == {"bridge", "plain"}
    assert "untrained" in set(reading.table["control"][reading.table["run"] == "bridge"])
    assert {item.probe for item in skipped} >= {"gd_alignment"}


def global_states() -> tuple[Any, ...]:
    legacy: Any = np.random.get_state()  # noqa: NPY002
    return torch.get_rng_state().tolist(), random.getstate(), legacy[1].tolist()


def of(subject: LanguageSubject) -> Any:
    return subject.model


def subject_of(model: Any, run: str = "") -> LanguageSubject:
    task = RepeatedTokens(vocabulary=VOCABULARY - 1, length=16, shortest=4, longest=8)
    return LanguageSubject(model, NextTokenReader(), task, run=run)


def weights(change: Callable[[dict[str, Tensor]], object]) -> Callable[[Path], None]:
    def edit(place: Path) -> None:
        held = load_file(place / "model.safetensors")
        change(held)
        save_file(held, place / "model.safetensors", metadata={"format": "pt"})

    return edit


def settings(**changes: Any) -> Callable[[Path], None]:
    def edit(place: Path) -> None:
        file = place / "config.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))

    return edit


def cut(place: Path) -> None:
    data = (place / "model.safetensors").read_bytes()
    (place / "model.safetensors").write_bytes(data[: len(data) // 2])


LACKING = "transformer.h.1.attn.c_proj.weight"
REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "no directory": (shutil.rmtree, "is not a directory"),
    "no configuration": (lambda place: (place / "config.json").unlink(), "has no config.json"),
    "broken configuration": (lambda place: (place / "config.json").write_text("{"), "its config.json cannot be read"),
    "unknown kind": (settings(model_type="strange"), "its config.json cannot be read"),
    "unknown class": (settings(architectures=["StrangeModel"]), "StrangeModel is not a causal language model"),
    "classifier": (settings(architectures=["GPT2ForSequenceClassification"]), "is not a causal language model"),
    "masked": (settings(model_type="bert", architectures=["BertForMaskedLM"]), "is not a causal language model"),
    "not in TransformerLens": (
        settings(model_type="biogpt", architectures=["BioGptForCausalLM"]),
        "BioGptForCausalLM is not an architecture",
    ),
    "own code": (settings(model_type="own", auto_map={"AutoConfig": "own.Config"}), "its config.json cannot be read"),
    "no weights": (lambda place: (place / "model.safetensors").unlink(), "holds no weights in .safetensors"),
    "cut weights": (cut, "its weights cannot be read"),
    "missing weight": (weights(lambda held: held.pop(LACKING)), f"lacks the weight {LACKING}"),
    "fewer layers": (settings(n_layer=1), "does not use the weight transformer.h.1"),
    "no list of classes": (settings(architectures=5), "architectures in its config.json is not a list of names"),
    "no name of a class": (settings(architectures=[5]), "architectures in its config.json is not a list of names"),
    # To build them takes an hour.
    "a million layers": (settings(n_layer=10**6), "asks for 1000000 layers, and its files hold only"),
    "complex": (weights(lambda held: held.update({LACKING: held[LACKING] + 0j})), "must hold real numbers"),
    "more layers": (settings(n_layer=3), "lacks the weight transformer.h.2"),
    "other width": (settings(n_embd=32), "weights have other shapes than the model of its config.json needs"),
    "not a number": (weights(lambda held: held[LACKING].fill_(torch.nan)), f"{LACKING} holds a number that is not"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_whole_language_model_is_refused_in_one_line(
    places: dict[str, Path], tmp_path: Path, case: str
) -> None:
    damage, words = REFUSED[case]
    place = tmp_path / "model"
    shutil.copytree(places["gpt2"], place)
    damage(place)
    with pytest.raises(UserError) as caught:
        load_pretrained(place)
    assert str(caught.value).startswith(f"{place}: ") and words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_model_that_sees_tokens_to_come_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="BertLMHeadModel sees tokens to come"):
        load_pretrained(saved("bert", tmp_path))


def test_masks_that_old_files_hold_are_no_weights(places: dict[str, Path], tmp_path: Path) -> None:
    place = tmp_path / "old"
    shutil.copytree(places["gpt2"], place)

    def add(held: dict[str, Tensor]) -> None:
        held["transformer.h.0.attn.bias"] = torch.ones(1, 1, CONTEXT, CONTEXT).tril()
        held["transformer.h.0.attn.masked_bias"] = torch.tensor(-1e4)

    weights(add)(place)
    assert load_pretrained(place).cfg.n_layers == 2
