"""The model that a configuration describes, before training."""

import torch

from mesa import build
from mesa.config.schema import RunConfig
from mesa.errors import UserError
from mesa.models.in_context import InContextTransformer
from mesa.models.language import TokenTransformer


def untrained_model(config: RunConfig, seed: int) -> InContextTransformer | TokenTransformer:
    """The untrained model of one seed, in the run's dtype and on its device."""
    device = config.training.device
    gpus = torch.cuda.device_count()
    if device.startswith("cuda") and int(device.partition(":")[2] or 0) >= gpus:
        raise UserError(f"training.device: {device!r} is asked for, but torch sees {gpus or 'no'} GPUs here")
    settings = {"seed": seed, "dtype": getattr(torch, config.training.dtype), "device": device}
    task = build.task(config.task)
    if config.model.kind == "language":
        return TokenTransformer(config.model, task.d_vocab, task.n_ctx, **settings)
    return InContextTransformer(config.model, build.d_token(task, build.reader(config)), **settings)
