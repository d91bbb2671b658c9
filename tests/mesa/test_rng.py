"""A generator is a function of (seed, stream, step)."""

import itertools

import torch

from mesa import generator


def draw(*names, **options) -> tuple[float, ...]:
    return tuple(torch.rand(4, generator=generator(*names, **options), dtype=torch.float64).tolist())


def test_the_same_names_give_the_same_numbers():
    assert draw(3, "train", 7) == draw(3, "train", 7)
    assert draw(3, "train") == draw(3, "train", 0)


def test_neighbours_have_nothing_in_common():
    names = list(itertools.product(range(12), ("train", "held-out", "init/a", "init/b"), range(12)))
    firsts = {draw(*name)[0] for name in names}
    assert len(firsts) == len(names)


def test_names_do_not_run_into_each_other():
    pairs = [((1, "1/2", 3), (1, "1", 23)), ((11, "a", 1), (1, "1a", 1)), ((1, "a", 11), (1, "a1", 1))]
    for one, other in pairs:
        assert draw(*one) != draw(*other)


def test_neighbouring_steps_are_uncorrelated():
    table = torch.stack([torch.randn(50, generator=generator(0, "train", step)) for step in range(200)])
    # 199 * 50 independent products of mean 0 and variance 1: five standard errors.
    assert abs((table[1:] * table[:-1]).mean()) < 5 / (199 * 50) ** 0.5


def test_the_global_random_state_is_neither_read_nor_moved():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = draw(0, "train", 1)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert draw(0, "train", 1) == first


def test_every_call_is_fresh():
    one = generator(0, "train", 1)
    torch.rand(10, generator=one)
    assert draw(0, "train", 1) == tuple(torch.rand(4, generator=generator(0, "train", 1), dtype=torch.float64).tolist())
    assert one is not generator(0, "train", 1)


def test_large_and_negative_seeds_are_names_too():
    assert len({draw(seed, "a") for seed in (-1, 0, 1, 2**31, 2**63, 2**80)}) == 6
