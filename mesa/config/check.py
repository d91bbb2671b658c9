"""A last check of a configuration before anything is made: can it be trained here, and are its numbers finite?"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, TypeGuard, cast

from pydantic import ValidationError

from mesa.build import complete_task
from mesa.config.schema import RunConfig
from mesa.errors import UserError
from mesa.memory import available
from mesa.plugin_failure import failure_of, naming_plugins

if TYPE_CHECKING:
    from tasks.task import TokenTask

# Prompts of the trial: enough to overflow where the settings make large numbers likely.
PROMPTS = 4


def check(config: RunConfig) -> None:
    """Compute one loss of the untrained model on a few prompts.

    Raises UserError, with the field, its value and the rule, where there is no such device, where prompts or model do
    not fit in memory, or where prompts or loss are not finite numbers.
    """
    with naming_plugins("configuration"):
        problem = _problem(config)
    if problem is None:
        return
    for name, value, without in _with_defaults(config):
        if _problem(without) is None:
            raise UserError(f"{name}: {value!r} is refused: {problem}")
    raise UserError(f"configuration: {problem}")


def _problem(config: RunConfig) -> str | None:
    """What is wrong with the prompts, the size of the model or the loss, or None."""
    import torch

    from mesa import build
    from mesa.fast.support import supported
    from mesa.models.untrained import check_device, untrained_model
    from mesa.rng import generator

    check_device(config)
    try:
        prompt = build.task(config.task).sample(PROMPTS, generator(0, "check", 0, config.training.device))
        prompt = prompt.to(dtype=getattr(torch, config.training.dtype))
        reader = build.reader(config)
        inputs = reader.encode(prompt)
        if inputs.values.is_floating_point() and not inputs.values.isfinite().all():
            return f"prompts are not finite in {config.training.dtype}"
        for name in ("batch", "held_out"):
            count = getattr(config.training, name)
            too_much = _too_much(inputs.values.nbytes // PROMPTS * count)
            if too_much is not None:
                raise UserError(f"training.{name}: {count} is refused: so many prompts take {too_much}")
        too_large = _too_large(config, inputs.values.shape)
        if too_large is not None:
            return too_large
        model = untrained_model(config, 0)
        # A way to compute the loss that cannot be had is refused here.
        supported(model, reader, config.training.fast, prompt)
        with torch.no_grad():
            loss = reader.loss(reader.decode(model(inputs), inputs), prompt)
    except UserError:
        raise
    except (RuntimeError, ValueError, OverflowError) as error:
        # Torch refuses to draw numbers between bounds that its type cannot hold.
        return f"no loss can be computed: {failure_of(error) or (str(error) or type(error).__name__).splitlines()[0]}"
    return None if loss.isfinite() else f"the loss is not finite in {config.training.dtype}"


def _too_large(config: RunConfig, shape: Sequence[int]) -> str | None:
    """Why a model of inputs of this shape (batch pos, and the tokens' width) cannot be trained or run here, or None."""
    from mesa import build
    from mesa.models.size import training_bytes, weight_count

    itemsize = {"float32": 4, "float64": 8}[config.training.dtype]
    if config.model.kind == "language":
        tokens = cast("TokenTask", build.task(config.task))
        d_in, n_ctx = tokens.d_vocab, tokens.n_ctx
    else:
        d_in, n_ctx = shape[2], 1
    too_much = _too_much(training_bytes(config.model, d_in, n_ctx, itemsize))
    if too_much is not None:
        count = weight_count(config.model, d_in, n_ctx)
        return f"a model with {count:,} weights takes {too_much}, with its gradients and the optimiser's moments"
    # The scores and the pattern of one layer.
    too_much = _too_much(2 * config.model.n_heads * shape[0] * shape[1] ** 2 * itemsize)
    return None if too_much is None else f"attention on {shape[0]} prompts takes {too_much}"


def _too_much(need: int) -> str | None:
    """The memory that is needed and the memory there is, in words, where the first is more; else None."""
    free = available()
    return None if need <= free else f"{need / 2**30:,.0f} GiB where there are {free / 2**30:,.0f} GiB"


def _with_defaults(config: RunConfig) -> Iterator[tuple[str, float, RunConfig]]:
    """Each number that is not its default: the field, its value, and the configuration with the default there.

    A field that has no number as its default is 1. A default that does not go with the other fields is left out.
    """
    task = complete_task({"name": config.task["name"]})
    for name, value in config.task.items():
        if _is_number(value) and value != task[name]:
            with suppress(UserError, ValidationError):
                yield f"task.{name}", value, config.model_copy(update={"task": {**config.task, name: task[name]}})
    for name in type(config.model).model_fields:
        value, field = getattr(config.model, name), type(config.model).model_fields[name]
        default = 1 if field.is_required() else field.default
        if _is_number(value) and value != default:
            with suppress(UserError, ValidationError):
                model = config.model.model_copy(update={name: default})
                yield f"model.{name}", value, config.model_copy(update={"model": model})


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
