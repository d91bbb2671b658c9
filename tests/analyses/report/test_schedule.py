"""A report says how its models were trained, and what the public notebooks do otherwise."""

import pytest

from analyses.claims.analysis import with_training
from analyses.report.schedule import departure, schedule
from mesa.config.presets import preset


def test_a_schedule_of_fixed_length() -> None:
    assert schedule(preset("one-layer")) == "5,000 steps of 2,048 prompts at a learning rate of 0.001."
    halved = with_training(preset("one-layer"), halve_every=1000)
    assert schedule(halved) == "5,000 steps of 2,048 prompts at a learning rate of 0.001, halved every 1,000 steps."


def test_a_schedule_until_the_loss_has_settled_names_its_three_stretches() -> None:
    words = schedule(with_training(preset("one-layer"), until="settled"))
    assert words.startswith("At most 5,000 steps")
    assert all(part in words for part in ("rises to 0.001 in 50 steps", "less than 1% over the last fifth", "cosine"))


@pytest.mark.parametrize(
    ("settings", "difference"),
    [
        ({"until": "settled"}, "a fixed number of steps at a constant rate"),
        ({"steps": 3000}, "steps 5,000 (here 3,000)"),
        ({"batch": 64}, "batch 2,048 (here 64)"),
        ({"learning_rate": 0.01}, "learning rate 0.001 (here 0.01)"),
        ({"halve_every": 100}, "rate halved never (here every 100 steps)"),
        ({"gradient_clip": None}, "gradient clip 0.001 (here none)"),
    ],
)
def test_each_difference_from_the_notebooks_is_named(settings: dict[str, object], difference: str) -> None:
    assert departure(preset("one-layer")) == ""
    assert departure(with_training(preset("one-layer"), **settings)) == f"The notebooks differ: {_they(difference)}."


def _they(difference: str) -> str:
    return f"they train {difference}" if difference.startswith("a fixed") else difference


def test_another_start_is_a_difference_and_another_context_is_none() -> None:
    config = preset("one-layer")
    started = config.model_copy(update={"model": config.model.model_copy(update={"init_variance": 0.1})})
    assert departure(started) == "The notebooks differ: initial variance 0.002 (here 0.1)."
    assert departure(config.model_copy(update={"task": {"name": "linear_regression", "context": 50}})) == ""


def test_models_without_a_notebook_have_no_departure() -> None:
    assert departure(with_training(preset("induction"), steps=7)) == ""
