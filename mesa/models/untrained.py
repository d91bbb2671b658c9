"""The model that a configuration describes, before training."""

from typing import cast

import torch

from mesa import build
from mesa.config.schema import RunConfig
from mesa.errors import UserError
from mesa.models.in_context import InContextTransformer
from mesa.models.language import TokenTransformer
from tasks.task import Task, TokenTask


def check_device(config: RunConfig) -> None:
    """UserError where a run's device is not there."""
    device, gpus = config.training.device, torch.cuda.device_count()
    if device.startswith("cuda") and int(device.partition(":")[2] or 0) >= gpus:
        raise UserError(f"training.device: {device!r} is asked for, but torch sees {gpus or 'no'} GPUs here")


def untrained_model(config: RunConfig, seed: int) -> InContextTransformer | TokenTransformer:
    """The untrained model of one seed, in the run's dtype and on its device; UserError where that is not there."""
    check_device(config)
    device = config.training.device
    dtype: torch.dtype = getattr(torch, config.training.dtype)
    task = build.task(config.task)
    # A configuration whose task and model are of two kinds is refused when it is made.
    if config.model.kind == "language":
        tokens = cast("TokenTask", task)
        return TokenTransformer(config.model, tokens.d_vocab, tokens.n_ctx, seed=seed, dtype=dtype, device=device)
    d_token = build.d_token(cast("Task", task), build.reader(config))
    return InContextTransformer(config.model, d_token, seed=seed, dtype=dtype, device=device)
