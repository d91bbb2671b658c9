"""Whatever is wrong in a configuration is one line that names the field, the value and the rule."""

from pathlib import Path

import pytest

from mesa.config import yaml as config_file
from mesa.errors import UserError

TYPES = [
    ("seeds: '10'", "seeds: '10' is refused: input should be a valid integer"),
    ("seeds: true", "seeds: True is refused: input should be a valid integer"),
    ("seeds: 2.0", "seeds: 2.0 is refused: input should be a valid integer"),
    ("seeds: 0x10", "seeds: '0x10' is refused"),
    ("seeds: 2020-01-01", "seeds: '2020-01-01' is refused"),
    ("seeds: null", "seeds: None is refused"),
    ("reader: 3", "reader: 3 is refused: input should be a valid string"),
    ("training: 5", "training: 5 is refused: it must be a section, with a field and its value on each line"),
    ("model: null", "model: null is refused: it must be a section"),
    ("task: {name: null}", "task.name: null is refused: it must be the name of a task; known: "),
    ("task: {name: 5}", "task.name: 5 is refused: it must be the name of a task"),
    ("task: [1]", "task: [1] is refused"),
    ("training: {fast: 'False'}", "training.fast: 'False' is refused: input should be 'auto', 'kernel', "),
    ("training: {fast: 1}", "training.fast: 1 is refused: input should be 'auto', 'kernel', 'tensor' or 'plain'"),
    ("training: {learning_rate: '1e-3'}", "training.learning_rate: '1e-3' is refused: input should be a valid number"),
    ("training: {learning_rate: true}", "training.learning_rate: True is refused"),
    ("model: {kernel: 3}", "model.kernel: 3 is refused: input should be 'linear' or 'softmax', or input should be a"),
    ("task: {name: linear_regression, d_in: '3'}", "task.d_in: '3' is refused: input should be a valid integer"),
    ("task: {name: linear_regression, d_in: true}", "task.d_in: True is refused: input should be a valid integer"),
    ("task: {name: linear_regression, scales: 3}", "task.scales: 3 is refused: input should be a valid array"),
    ("task: {name: linear_regression, scales: [1, x]}", "task.scales.1: 'x' is refused"),
]
RANGES = [
    ("seeds: 0", "seeds: 0 is refused: input should be greater than or equal to 1"),
    ("seeds: 1001", "seeds: 1001 is refused: input should be less than or equal to 1000"),
    ("seeds: 1" + 5000 * "0", "seeds: inf is refused"),
    *[
        (f"training: {{{name}: {value}}}", f"training.{name}: {value} is refused: input should be greater than")
        for name in ("steps", "batch", "evaluate_every", "held_out", "checkpoints_per_decade")
        for value in (0, -1)
    ],
    *[
        (f"{section}: {{{name}: {value}}}", f"{section}.{name}: {shown} is refused: input should be {rule}")
        for section, name in (
            ("training", "learning_rate"),
            ("training", "epsilon"),
            ("training", "gradient_clip"),
            ("training", "rolling_seconds"),
            ("model", "clip"),
            ("model", "attn_scale"),
            ("model", "init_variance"),
        )
        for value, shown, rule in (
            ("0", "0", "greater than 0"),
            (".nan", "nan", "a finite number"),
            (".inf", "inf", "a finite number"),
            ("1e400", "inf", "a finite number"),
        )
    ],
    *[
        (f"training: {{{name}: {value}}}", f"training.{name}: {shown} is refused: input should be {rule}")
        for name in ("beta1", "beta2")
        for value, shown, rule in (("1.0", "1.0", "less than 1"), ("-1e-3", "-0.001", "greater"), (".nan", "nan", ""))
    ],
    *[
        (f"model: {{{name}: 0}}", f"model.{name}: 0 is refused: input should be greater than or equal to 1")
        for name in ("n_layers", "n_heads", "d_model", "d_head", "d_mlp", "input_mlp")
    ],
    ("model: {kernel: sofmax}", "model.kernel: 'sofmax' is refused: input should be 'linear' or 'softmax'"),
    ("model: {normalization: ln}", "model.normalization: 'ln' is refused: input should be 'LN' or 'RMS'"),
    ("model: {act_fn: tanh}", "model.act_fn: 'tanh' is refused"),
    ("training: {dtype: float16}", "training.dtype: 'float16' is refused: input should be 'float32' or 'float64'"),
    ("training: {device: gpu}", "training.device: 'gpu' is refused"),
    *[
        (f"task: {{name: linear_regression, {name}: {value}}}", f"task.{name}: {shown} must be")
        for name, values in (
            ("d_in", (0, -1)),
            ("d_out", (0,)),
            ("context", (0,)),
            ("input_scale", (0.0, ".inf", ".nan")),
            ("teacher_scale", (-1.0, ".inf")),
            ("label_noise", (-0.5, ".nan")),
        )
        for value, shown in ((value, str(value).removeprefix(".")) for value in values)
    ],
    ("task: {name: linear_regression, law: cauchy}", "task.law: 'cauchy' is refused: input should be 'uniform' or"),
]
CONTRADICTIONS = [
    ("model: {kernel: [linear, softmax]}", "model.kernel: 2 entries, but n_layers is 1: one each is needed"),
    ("model: {kernel: [], n_layers: 2}", "model.kernel: 0 entries, but n_layers is 2: one each is needed"),
    (
        "model: {tied: true, n_layers: 2, kernel: [linear, softmax]}",
        "model.kernel: tied layers share one kernel, got ('linear', 'softmax')",
    ),
    ("model: {final_norm: true}", "model.final_norm: true needs a normalization, which is null"),
    ("task: {name: linear_regression, scales: [1.0]}", "task.scales: 1 entries, but d_in is 10: one each is needed"),
    (
        "task: {name: linear_regression, d_in: 2, scales: [1.0, 0.0]}",
        "task.scales: (1.0, 0.0) must be positive, finite numbers",
    ),
]
KEYS = [
    ("trainin: {}", "trainin: unknown key (did you mean 'training'?)"),
    ("training: {learning_rte: 1}", "training.learning_rte: unknown key (did you mean 'learning_rate'?)"),
    ("model: {heads: 2}", "model.heads: unknown key (did you mean 'n_heads'?)"),
    ("model: {zzz: 2}", "model.zzz: unknown key; known: n_layers, n_heads"),
    ("model: {kind: languag}", "model.kind: 'languag' is refused: must be one of 'in_context', 'language'"),
    (
        "model: {kind: language, d_mode: 2}",
        "model.d_model: is not given, and has no default; model.d_mode: unknown key",
    ),
    ("model: 5", "model: 5 is refused: it must be a section"),
    ("task: {name: linear_regression, contex: 3}", "task.contex: unknown key (did you mean 'context'?)"),
    ("task: {name: linear_regresion}", "task.name: 'linear_regresion' is not known (did you mean 'linear_regression'"),
    ("task: {}", "task.name: is not given, and has no default; known: "),
    ("reader: pared", "reader: 'pared' is not known (did you mean 'paired'?)"),
    ("1: 2", "1: unknown key; known: task, reader"),
]


@pytest.mark.parametrize(("text", "message"), [*TYPES, *RANGES, *CONTRADICTIONS, *KEYS])
def test_a_wrong_value_is_named_with_its_field_and_rule(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(UserError) as caught:
        config_file.load(tmp_path / "config.yaml")
    assert str(caught.value).startswith(message) and "\n" not in str(caught.value)


def test_every_wrong_field_is_named_at_once() -> None:
    with pytest.raises(UserError) as caught:
        config_file.parse({"seeds": 0, "training": {"batch": "x", "stepz": 1}})
    assert [clause.split(":")[0] for clause in str(caught.value).split("; ")] == [
        "training.stepz",
        "training.batch",
        "seeds",
    ]


_BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join(10 * ['*' + before])}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (_BOMB + "seeds: *i\n", "with its aliases written out it holds too many values"),
        ("task: &t {name: *t}", "found unconstructable recursive node"),
        ("training: {<<: {steps: 5}}", "in line 1: merge keys (<<) are not read; write the fields out"),
    ],
)
def test_aliases_and_merge_keys_are_one_line(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(text)
    with pytest.raises(UserError) as caught:
        config_file.load(file)
    assert words in str(caught.value) and len(str(caught.value)) < 400


def test_an_alias_that_repeats_little_is_read(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("training: {steps: &n 7, batch: *n}\n")
    assert config_file.load(file).training.batch == 7
