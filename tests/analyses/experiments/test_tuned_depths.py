"""GD++ that is tuned at each number of steps, and the controls of deep models with heads and MLPs."""

import pytest
import torch

from analyses.experiments.depth.tuned_depths import TunedDepths
from mesa import InContextConfig, InContextTransformer, generator
from mesa.learners import GradientDescent
from probes import CONTROLS, RegressionSubject
from tasks import LinearRegression, PairedReader, half_squared_error

TASK = LinearRegression(d_in=3, context=4)


def test_each_depth_is_the_learner_that_was_tuned_at_it() -> None:
    tuning, prompt = (
        TASK.sample(500, generator(0, f"tests/{name}")).to(dtype=torch.float64) for name in ("tuning", "depths")
    )
    predictions = TunedDepths(2, clip=10.0).fit(tuning).predict(prompt)
    for steps, prediction in enumerate(predictions, start=1):
        alone = GradientDescent(gamma=0.0, steps=steps, shared=False, clip=10.0).fit(tuning)
        assert prediction.equal(alone.predict(prompt)[-1])


def test_it_predicts_only_after_it_was_fitted() -> None:
    with pytest.raises(ValueError, match="fitted"):
        TunedDepths(2).predict(TASK.sample(1, generator(0, "tests/depths")))


@pytest.fixture(scope="module")
def block() -> RegressionSubject:
    """An untrained model of two blocks with two heads and an MLP each."""
    config = InContextConfig(n_layers=2, n_heads=2, d_mlp=8, clip=10.0)
    return RegressionSubject(InContextTransformer(config, 4), PairedReader(), TASK)


def control(name: str, subject: RegressionSubject) -> RegressionSubject:
    made = CONTROLS[name](subject)
    assert isinstance(made, RegressionSubject), made
    return made


def test_steps_of_own_size_beat_equal_ones_and_a_constructed_head_a_layer_beats_both(block: RegressionSubject) -> None:
    prompt = block.prompts(2000, generator(0, "tests/depths"))
    names = ("constructed_single_head", "gd_steps_of_own_size", "as_many_gd_steps")
    losses = [half_squared_error(control(name, block).predict(prompt), prompt.target).item() for name in names]
    assert losses[0] < 0.95 * losses[1] < 0.95 * losses[2]


def test_the_constructed_heads_need_several_layers() -> None:
    one = RegressionSubject(InContextTransformer(InContextConfig(d_mlp=8), 4), PairedReader(), TASK)
    for name in ("constructed_single_head", "gd_steps_of_own_size"):
        assert isinstance(CONTROLS[name](one), str)
