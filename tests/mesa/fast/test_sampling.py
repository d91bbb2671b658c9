"""Prompts drawn a vector of numbers at a time are torch's own, bit for bit."""

from dataclasses import replace

import pytest
import torch

from mesa import fast
from mesa.rng import generator
from tasks import LinearRegression, SparseLinearRegression

pytest.importorskip("llvmlite")

from mesa.fast.kernel import uniform
from mesa.fast.kernel.machine import machine

AVX2 = {"avx2": True, "fma": True}


@pytest.fixture(params=[None, AVX2], ids=["this processor", "AVX2"])
def vectors(request):
    on = machine(32, request.param)
    if on is None:
        pytest.skip("this processor has neither AVX2 nor AVX-512")
    return on


# Fewer than a state of 624 words, one, a little more, and many; widths that are powers of two and that are not.
@pytest.mark.parametrize("count", [1, 15, 623, 624, 625, 1248, 40_000])
@pytest.mark.parametrize("bounds", [(-0.5, 0.5), (-0.3, 0.3), (-1 / 3, 1 / 3), (0.0, 1e30), (-1.7, 1.7)])
def test_uniform_numbers_and_what_is_drawn_after_them_are_torchs(vectors, count, bounds):
    draw, ours, theirs = uniform.Uniform(vectors), generator(3, "train", count), generator(3, "train", count)
    assert torch.equal(
        draw((count,), bounds[0], bounds[1], ours), torch.empty(count).uniform_(*bounds, generator=theirs)
    )
    assert torch.equal(ours.get_state(), theirs.get_state())
    for _ in range(2):
        after, expected = (torch.empty(500).normal_(generator=source) for source in (ours, theirs))
        assert torch.equal(after, expected)


def test_a_generator_that_has_drawn_before_is_refused(vectors):
    source = generator(0, "train")
    torch.rand(1, generator=source)
    with pytest.raises(ValueError, match="generator"):
        uniform.Uniform(vectors)((5,), 0.0, 1.0, source)


TASK = LinearRegression(d_in=3, d_out=2, context=5, input_scale=0.3, label_noise=0.2, scales=(1.0, 2.0, 0.3))


@pytest.mark.parametrize("task", [LinearRegression(), TASK, replace(TASK, scales=None, teachers=3)])
def test_prompts_are_the_tasks_own(task):
    sample = fast.sampler(task, "kernel")
    assert sample != task.sample
    for batch in (1, 33, 100):
        drawn, expected = (draw(batch, generator(5, "train", batch)) for draw in (sample, task.sample))
        for name in ("x", "y", "query", "target", "teacher"):
            assert torch.equal(getattr(drawn, name), getattr(expected, name)), name


def test_prompts_of_another_default_type_are_the_tasks_own():
    sample = fast.sampler(TASK, "kernel")
    torch.set_default_dtype(torch.float64)
    try:
        drawn, expected = (getattr(draw(7, generator(5, "train", 1)), "x") for draw in (sample, TASK.sample))  # noqa: B009
    finally:
        torch.set_default_dtype(torch.float32)
    assert drawn.dtype == torch.float64 and torch.equal(drawn, expected)


@pytest.mark.parametrize("task", [LinearRegression(law="normal"), SparseLinearRegression()])
def test_other_tasks_draw_themselves(task):
    assert fast.sampler(task, "kernel") == task.sample


def test_without_the_kernel_a_task_draws_itself():
    assert fast.sampler(TASK, "tensor") == TASK.sample


@pytest.mark.parametrize("wrong", [lambda x: x + 2**-24, lambda x: x.flip(0)])
def test_where_torch_draws_other_numbers_its_own_are_used(monkeypatch, wrong):
    own = torch.Tensor.uniform_
    uniform.uniform_of.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(torch.Tensor, "uniform_", lambda x, *bounds, **options: wrong(own(x, *bounds, **options)))
        assert fast.sampler(TASK, "kernel") == TASK.sample
    uniform.uniform_of.cache_clear()


def test_a_subclass_may_sample_in_another_way_and_draws_itself():
    class Shifted(LinearRegression):
        def scale_inputs(self, x):
            return super().scale_inputs(x) + 1

    task = Shifted()
    assert fast.sampler(task, "kernel") == task.sample
