"""A run is continued only by its own configuration: every field that differs is named, with both values."""

from typing import Any

import pytest

import mesa
from mesa.errors import UserError
from mesa.storage.run import Run


def test_another_configuration_is_refused_field_by_field(trained: Run, tiny: Any) -> None:
    before = (trained.path / "config.yaml").read_bytes()
    other = mesa.RunConfig(
        task={"name": "linear_regression", "d_in": 3, "context": 5},
        model=mesa.InContextConfig(kernel="softmax"),
        training=tiny(batch=32, steps=149).training,
        seeds=3,
    )
    with pytest.raises(UserError) as caught:
        Run.create(trained.path, other)
    listed = str(caught.value).removeprefix(f"{trained.path}: holds a run of another configuration: ")
    assert sorted(listed.split("; ")) == [
        "model.kernel: 'linear' there, 'softmax' asked for",
        "seeds: 2 there, 3 asked for",
        "task.context: 4 there, 5 asked for",
        "training.batch: 16 there, 32 asked for",
        "training.steps (may only grow): 150 there, 149 asked for",
    ]
    assert (trained.path / "config.yaml").read_bytes() == before


# One changed value for every field there is: none may slip through.
OTHER: dict[str, dict[str, Any]] = {
    "task": {"d_in": 4, "d_out": 2, "context": 5, "law": "normal", "input_scale": 0.6, "scales": [1.0, 1.0, 2.0]}
    | {"teacher_scale": 2.0, "label_noise": 0.1, "teachers": 7, "teachers_seed": 1, "prompts": 9},
    "model": {"n_layers": 2, "n_heads": 2, "d_model": 8, "d_head": 8, "kernel": "softmax", "tied": True, "bias": True}
    | {"causal": True, "normalization": "LN", "final_norm": True, "d_mlp": 4, "act_fn": "relu", "input_mlp": 4}
    | {"clip": 1.0, "attn_scale": 2.0, "init_variance": 0.1, "attention": "gradient_step"},
    "training": {"batch": 17, "learning_rate": 0.1, "beta1": 0.8, "beta2": 0.8, "epsilon": 0.1, "gradient_clip": None}
    | {
        "halve_every": 7,
        "evaluate_every": 11,
        "held_out": 65,
        "checkpoints_per_decade": 3,
        "rolling_seconds": 1.0,
        "dtype": "float64",
    }
    | {"device": "cuda", "fast": "plain", "until": "settled", "dense_checkpoints": [10, 20, 5]},
}


def test_the_table_of_changes_knows_every_field(trained: Run) -> None:
    settings = trained.config.model_dump()
    assert {section: set(settings[section]) - {"name", "kind", "steps"} for section in OTHER} == {
        section: set(fields) for section, fields in OTHER.items()
    }


@pytest.mark.parametrize("field", [f"{section}.{name}" for section, fields in OTHER.items() for name in fields])
def test_each_changed_field_is_refused(trained: Run, field: str) -> None:
    section, _, name = field.partition(".")
    settings = trained.config.model_dump()
    old, new = settings[section][name], OTHER[section][name]
    settings[section][name] = new
    if name == "final_norm":
        settings["model"]["normalization"] = "LN"
    if name == "attention":
        # Frozen attention needs something else to train.
        settings["model"]["d_mlp"] = 4
    with pytest.raises(UserError) as caught:
        Run.create(trained.path, mesa.RunConfig(**settings))
    assert f"{field}: {old!r} there, {new!r} asked for" in str(caught.value)
