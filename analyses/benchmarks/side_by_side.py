"""Seeds trained side by side, a process each, and how long a step of all of them takes."""

import multiprocessing
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection

from mesa.config.schema import RunConfig
from mesa.training.pool import cores


def seeds_side_by_side(
    configs: Sequence[RunConfig], *, blocks: int, block_s: float, seeds: int | None = None
) -> tuple[int, list[list[float]]]:
    """The number of seeds, by default that of cores, and the seconds per step by configuration and block.

    Configurations alternate in blocks of `block_s` seconds. The steps of all seeds are counted together.
    """
    seeds = seeds or cores()
    context = multiprocessing.get_context("spawn")
    pipes, processes = [], []
    for seed in range(seeds):
        ours, theirs = context.Pipe()
        processes.append(context.Process(target=_serve, args=(theirs, list(configs), seed), daemon=True))
        processes[-1].start()
        # The child alone holds this end: where it dies, waiting for it ends with EOFError.
        theirs.close()
        pipes.append(ours)
    try:
        for pipe in pipes:
            pipe.recv()
        times: list[list[float]] = [[] for _ in configs]
        for _ in range(blocks):
            for number, seconds in enumerate(times):
                for pipe in pipes:
                    pipe.send((number, block_s))
                # Each seed measures its own steps per second, since seeds end their blocks at different times.
                seconds.append(1 / sum(pipe.recv() for pipe in pipes))
    finally:
        for process in processes:
            process.terminate()
            process.join()
    return seeds, times


def _serve(pipe: "Connection[float, tuple[int, float]]", configs: Sequence[RunConfig], seed: int) -> None:
    """Answer each (number of a configuration, seconds) with the steps per second of such a block."""
    from mesa.training.trainer import Trainer, one_thread

    with one_thread():
        trainers, step = [Trainer(config, seed) for config in configs], 0
        for trainer in trainers:
            trainer.step(1)
        pipe.send(0.0)
        while True:
            number, block_s = pipe.recv()
            start, steps = time.perf_counter(), 0
            while time.perf_counter() < start + block_s:
                step, steps = step + 1, steps + 1
                trainers[number].step(step)
            pipe.send(steps / (time.perf_counter() - start))
