"""From the names in a configuration to a task, a reader and a model."""

from typing import TYPE_CHECKING

from mesa.errors import UserError
from mesa.named import reader_class, task

if TYPE_CHECKING:
    from mesa.config import RunConfig
    from mesa.model import InContextTransformer
    from mesa.token_model import TokenTransformer
    from tasks.reader import Reader
    from tasks.task import Task


def reader(config: "RunConfig") -> "Reader":
    """The reader of a run."""
    settings = {"d_out": config.task["d_out"]} if "d_out" in config.task else {}
    return reader_class(config.reader)(**settings)


def d_token(task: "Task", reader: "Reader") -> int:
    """The width of the tokens that a reader makes of a task's prompts."""
    from mesa.rng import generator

    return reader.encode(task.sample(1, generator(0, "width"))).values.shape[-1]


def model(config: "RunConfig", seed: int) -> "InContextTransformer | TokenTransformer":
    """The untrained model of one seed, in the run's dtype and on its device."""
    import torch

    from mesa.model import InContextTransformer
    from mesa.token_model import TokenTransformer

    device = config.training.device
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise UserError(f"training.device: {device!r} is asked for, but torch sees no GPU here")
    settings = {"seed": seed, "dtype": getattr(torch, config.training.dtype), "device": device}
    asked = task(config.task)
    if config.reader == "symbols":
        return TokenTransformer(config.model, asked.d_vocab, asked.n_ctx, **settings)
    return InContextTransformer(config.model, d_token(asked, reader(config)), **settings)
