"""Files that are no configuration are refused in one line; configurations survive being written and read."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesa.config import yaml as config_file
from mesa.config.model import InContextConfig, LanguageConfig
from mesa.config.presets import CONFIGURATIONS, preset
from mesa.config.schema import RunConfig, TrainingConfig
from mesa.errors import UserError


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "must hold a mapping of settings, holds NoneType"),
        (b"- 1\n- 2", "must hold a mapping of settings, holds list"),
        (b"seeds", "must hold a mapping of settings, holds str"),
        (b"training: [", "not valid YAML in line 1: expected the node content"),
        (b"seeds: 1\n\ttraining: 2", "not valid YAML in line 2: found character"),
        (b"seeds: \x00", "not valid YAML: unacceptable character #x0000"),
        (b"seeds: \xff", "cannot be read: not UTF-8 text"),
        (b"seeds: !!int abc", "not valid YAML: invalid literal"),
        (b"seeds: !!bool maybe", "not valid YAML: 'maybe'"),
        (b"seeds: !!python/object/apply:os.getpid []", "not valid YAML in line 1: could not determine a constructor"),
        (b"x: &a {b: *a}", "not valid YAML in line 1: found unconstructable recursive node"),
        (b"? [a]\n: 1", "not valid YAML in line 1: found unhashable key"),
        (b"seeds: 1\nseeds: 2", "not valid YAML in line 2: the key 'seeds' is given twice, first in line 1"),
        (
            b"training:\n  steps: 1\n  batch: 3\n  steps: 2",
            "not valid YAML in line 4: the key 'steps' is given twice, first in line 2",
        ),
        (b"[" * 5000, "not valid YAML: nested too deeply"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused(tmp_path: Path, content: bytes, problem: str) -> None:
    file = tmp_path / "config.yaml"
    file.write_bytes(content)
    with pytest.raises(UserError) as caught:
        config_file.load(file)
    assert str(caught.value).startswith(f"{file}: {problem}") and "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    for path, problem in ((tmp_path / "none.yaml", "No such file or directory"), (tmp_path, "Is a directory")):
        with pytest.raises(UserError) as caught:
            config_file.load(path)
        assert str(caught.value) == f"{path}: cannot be read: {problem}"


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("training.steps", "--set 'training.steps': must be KEY=VALUE"),
        ("=3", "--set '=3': must be KEY=VALUE"),
        ("seeds.x=3", "--set 'seeds.x=3': 'seeds' is a value, not a section"),
        ("training.steps=[", "--set training.steps: not valid YAML"),
        (
            "training={steps: 1, batch: 3, steps: 2}",
            "--set training: not valid YAML in line 1: the key 'steps' is given twice, first in line 1",
        ),
        ("training.stps=3", "training.stps: unknown key (did you mean 'steps'?)"),
    ],
)
def test_a_wrong_assignment_is_refused(assignment: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        config_file.parse(config_file.assign({"seeds": 1}, [assignment]))
    assert str(caught.value).startswith(message) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e-3", 1e-3), ("1E3", 1e3), ("+.5", 0.5), ("2", 2.0), ("2.", 2.0), ("1_0", "1_0"), ("1:30", "1:30")],
)
def test_numbers_are_read_as_they_look(text: str, value: Any) -> None:
    assert config_file.read_yaml(text, "test") == value
    # YAML 1.1 would read 010 as 8.
    assert config_file.read_yaml("[010, 08, -3]", "test") == [10, 8, -3]


def round_trip(config: RunConfig, folder: Path) -> RunConfig:
    (folder / "config.yaml").write_text(config_file.dump(config, "A heading.\nOf two lines.", {"torch": "2.0"}))
    return config_file.load(folder / "config.yaml")


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_every_preset_survives_being_written_and_read(name: str, tmp_path: Path) -> None:
    assert round_trip(preset(name), tmp_path) == preset(name)


POSITIVE = st.floats(min_value=1e-300, max_value=1e300)
COUNT = st.integers(1, 10**6)
OPTIONAL_COUNT = st.none() | COUNT
MODELS = st.integers(1, 4).flatmap(
    lambda layers: st.builds(
        InContextConfig,
        n_layers=st.just(layers),
        n_heads=COUNT,
        d_model=OPTIONAL_COUNT,
        kernel=st.sampled_from(["linear", "softmax"])
        | st.lists(st.sampled_from(["linear", "softmax"]), min_size=layers, max_size=layers),
        bias=st.booleans(),
        normalization=st.sampled_from(["LN", "RMS"]),
        final_norm=st.booleans(),
        d_mlp=OPTIONAL_COUNT,
        clip=st.none() | POSITIVE,
        init_variance=POSITIVE,
    )
)
TRAININGS = st.builds(
    TrainingConfig,
    steps=COUNT,
    learning_rate=POSITIVE,
    beta1=st.floats(0, 1, exclude_max=True),
    gradient_clip=st.none() | POSITIVE,
    dtype=st.sampled_from(["float32", "float64"]),
    device=st.sampled_from(["cpu", "cuda", "cuda:1"]),
    fast=st.sampled_from(["auto", "kernel", "tensor", "plain"]),
)
TASKS = st.lists(POSITIVE, min_size=1, max_size=6).flatmap(
    lambda scales: st.fixed_dictionaries(
        {"name": st.just("linear_regression"), "d_in": st.just(len(scales)), "label_noise": st.floats(0, 1e300)},
        optional={"scales": st.just(scales), "law": st.sampled_from(["uniform", "normal"])},
    )
)
CONFIGS = st.builds(RunConfig, task=TASKS, model=MODELS, training=TRAININGS, seeds=st.integers(1, 1000))


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(config=CONFIGS)
def test_every_configuration_survives_being_written_and_read(
    config: RunConfig, tmp_path_factory: pytest.TempPathFactory
) -> None:
    again = round_trip(config, tmp_path_factory.getbasetemp())
    assert again == config and not config_file.differences(again, config)
    assert again.model_dump_json() == config.model_dump_json()


def test_a_configuration_of_version_0_1_0_is_read() -> None:
    # As 0.1.0 wrote them: no kind of model, every field in every model, and two readers by other names.
    shared = {"n_layers": 2, "n_heads": 1, "d_head": None, "kernel": "softmax", "tied": False, "bias": False}
    fields = {**shared, "attention": "trained", "input_mlp": None, "clip": None, "init_variance": 1.0}
    model = {**fields, "d_model": 8, "causal": True}
    language = {"task": {"name": "markov_chain"}, "reader": "symbols", "model": model}
    regression = {"reader": "neighbouring", "model": {**fields, "d_model": None, "causal": False}}
    assert config_file.parse(language) == RunConfig(
        task={"name": "markov_chain"},
        reader="next_token",
        model=LanguageConfig(n_layers=2, d_model=8, kernel="softmax", init_variance=1.0),
    )
    assert config_file.parse(regression) == RunConfig(
        reader="interleaved", model=InContextConfig(n_layers=2, kernel="softmax", init_variance=1.0)
    )
    with pytest.raises(UserError, match=r"model\.causal: unknown key"):
        config_file.parse({**language, "model": {**model, "causal": False}})
