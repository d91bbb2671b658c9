"""A last check of a configuration before anything is made: can it be trained here, and are its numbers finite?"""

import os
from collections.abc import Iterator

from pydantic import BaseModel

from mesa.build import complete_task
from mesa.config.schema import RunConfig
from mesa.errors import UserError

# Prompts of the trial: enough to overflow where the settings make large numbers likely.
PROMPTS = 4


def check(config: RunConfig) -> None:
    """Compute one loss of the untrained model on a few prompts.

    Raises UserError, with the field, its value and the rule, where there is no such device, or where prompts or loss
    are not finite numbers.
    """
    problem = _problem(config)
    if problem is None:
        return
    for name, value, without in _with_defaults(config):
        if _problem(without) is None:
            raise UserError(f"{name}: {value!r} is refused: {problem}")
    raise UserError(f"configuration: {problem}")


def _problem(config: RunConfig) -> str | None:
    """What is wrong with the prompts or the loss, or None."""
    import torch

    from mesa import build
    from mesa.models.untrained import untrained_model
    from mesa.rng import generator

    try:
        model, reader = untrained_model(config, 0), build.reader(config)
        prompt = build.task(config.task).sample(PROMPTS, generator(0, "check", 0, config.training.device))
        prompt = prompt.to(dtype=getattr(torch, config.training.dtype))
        inputs = reader.encode(prompt)
        if inputs.values.is_floating_point() and not inputs.values.isfinite().all():
            return f"prompts are not finite in {config.training.dtype}"
        for name in ("batch", "held_out"):
            count = getattr(config.training, name)
            need, there = (
                inputs.values.nbytes // PROMPTS * count,
                os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
            )
            if need > there:
                rule = f"so many prompts take {need / 2**30:.0f} GiB, and this machine has {there / 2**30:.0f} GiB"
                raise UserError(f"training.{name}: {count} is refused: {rule}")
        with torch.no_grad():
            loss = reader.loss(reader.decode(model(inputs), inputs), prompt)
    except UserError:
        raise
    except (RuntimeError, ValueError, OverflowError) as error:
        # Torch refuses to draw numbers between bounds that its type cannot hold.
        return f"no loss can be computed: {str(error).splitlines()[0]}"
    return None if loss.isfinite() else f"the loss is not finite in {config.training.dtype}"


def _with_defaults(config: RunConfig) -> Iterator[tuple[str, float, RunConfig]]:
    """Each number that is not its default: the field, its value, and the configuration with the default there."""
    task = complete_task({"name": config.task["name"]})
    for name, value in config.task.items():
        default = task[name]
        if isinstance(value, float) and isinstance(default, float) and value != default:
            yield f"task.{name}", value, config.model_copy(update={"task": {**config.task, name: default}})
    for name, value in _numbers(config.model):
        default = type(config.model).model_fields[name].default
        model = config.model.model_copy(update={name: default})
        if value != default:
            yield f"model.{name}", value, config.model_copy(update={"model": model})


def _numbers(section: BaseModel) -> Iterator[tuple[str, float]]:
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, float):
            yield name, value
