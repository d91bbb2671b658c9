"""One training step: a function of the weights, the optimiser's state, the seed and the step's number."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from mesa import build, fast
from mesa.config.schema import RunConfig
from mesa.errors import UserError
from mesa.fast.sampling import Sampler
from mesa.models.untrained import untrained_model
from mesa.rng import generator
from mesa.storage.checkpoint import Tensors
from mesa.storage.records import Decision
from mesa.training import rates
from mesa.training.held_out import held_out_task
from tasks.prompt import Prompt


class Diverged(UserError):
    """A loss or gradient that is not finite; the weights are still those before the step."""

    def __init__(self, step: int, what: str) -> None:
        super().__init__(f"diverged at step {step}: the {what} is not finite")
        self.step = step


@dataclass(frozen=True)
class Progress:
    """The loss and the gradient's norm of one step, before it changed the weights."""

    step: int
    train_loss: float
    gradient_norm: float


class Trainer:
    """A model in training: fresh prompts each step, Adam, and the gradient's global norm clipped ([VO] A.2).

    `choice` is the way in which the loss is computed. The argument `loss` replaces it, and must have the value of the
    model's own forward pass. Raises UserError where the configuration asks for a way that cannot be taken.
    """

    def __init__(self, config: RunConfig, seed: int, loss: Callable[[Prompt], Tensor] | None = None) -> None:
        self.config, self.seed = config, seed
        self.task, self.reader = build.task(config.task), build.reader(config)
        self.model = untrained_model(config, seed)
        example = self.task.sample(1, generator(seed, "example", 0, self.model.cfg.device or "cpu"))
        self.choice = fast.choose(self.model, self.reader, config.training.fast, example)
        self.sample = fast.sampler(self.task, self.choice.way)
        self.loss: Callable[[Prompt], Tensor] = loss or self.choice.loss or self.plain_loss
        # Where the learning rate begins to fall along a cosine; None: not yet.
        self.decision: Decision | None = None
        self._held_out: Prompt | None = None
        settings = config.training
        self.weights = {name: weight for name, weight in self.model.named_parameters() if weight.requires_grad}
        self.optimizer = torch.optim.Adam(
            self.weights.values(),
            lr=settings.learning_rate,
            betas=(settings.beta1, settings.beta2),
            eps=settings.epsilon,
            fused=True,
        )

    def prompts(self, stream: str, step: int, count: int, sample: Sampler | None = None) -> Prompt:
        """The prompts of one step: a function of (seed, stream, step)."""
        source = generator(self.seed, stream, step, self.model.cfg.device or "cpu")
        return (sample or self.sample)(count, source).to(dtype=self.model.cfg.dtype)

    def step(self, number: int) -> Progress:
        """Take training step `number`; Diverged, with the weights untouched, where it is not finite."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate(number)
        prompt = self.prompts("train", number, self.config.training.batch)
        for weight in self.weights.values():
            weight.grad = None
        loss = self.loss(prompt)
        loss.backward()
        norm = self._clip_gradient()
        value = loss.item()
        if not math.isfinite(value):
            raise Diverged(number, "loss")
        if not math.isfinite(norm):
            raise Diverged(number, "gradient")
        self.optimizer.step()
        return Progress(number, value, norm)

    def _clip_gradient(self) -> float:
        """The gradient's global norm before it is scaled down to at most `gradient_clip`."""
        norm = get_total_norm([weight.grad for weight in self.weights.values() if weight.grad is not None])
        clip = self.config.training.gradient_clip
        # Else torch's factor clip / (norm + 1e-6), which is at most 1, is 1: then nothing needs to be scaled.
        if clip is not None and norm + 1e-6 > clip:
            clip_grads_with_norm_(self.weights.values(), clip, norm)
        return float(norm)

    def learning_rate(self, number: int) -> float:
        """The rate of step `number`, a function of it and of where the cosine began: a resumed run has the same."""
        return rates.learning_rate(self.config.training, number, self._cosine_from)

    @property
    def last_step(self) -> int:
        """The step that ends training, as far as it is known: the largest number of them before the cosine begins."""
        return rates.last_step(self.config.training, self._cosine_from)

    @property
    def _cosine_from(self) -> int | None:
        return None if self.decision is None else self.decision["cosine_from"]

    def plain_loss(self, prompt: Prompt) -> Tensor:
        """The loss by the HookedTransformer's own forward pass."""
        inputs = self.reader.encode(prompt)
        return self.reader.loss(self.reader.decode(self.model(inputs), inputs), prompt)

    def held_out_loss(self) -> float:
        """The loss on prompts that no step trains on; the same ones every time."""
        if self._held_out is None:
            sample = fast.sampler(held_out_task(self.task), self.choice.way)
            self._held_out = self.prompts("held-out", 0, self.config.training.held_out, sample)
        with torch.no_grad():
            return self.loss(self._held_out).item()

    def model_state(self) -> Tensors:
        """Every weight once, tied or not."""
        return dict(self.model.named_parameters())

    def trainer_state(self) -> Tensors:
        """The optimiser's moments and step count of every trained weight, zero before the first step."""
        state: Tensors = {}
        for name, weight in self.weights.items():
            moments = self.optimizer.state.get(weight) or _fresh(weight)
            state |= {f"{kind}/{name}": moments[kind] for kind in _KINDS}
        return state

    def restore_trainer(self, saved: Tensors) -> None:
        """Put back what `trainer_state` gave; the tensors were checked before."""
        for name, weight in self.weights.items():
            self.optimizer.state[weight] = {kind: saved[f"{kind}/{name}"].clone() for kind in _KINDS}


_KINDS = ("step", "exp_avg", "exp_avg_sq")


def _fresh(weight: Tensor) -> Tensors:
    zeros = torch.zeros_like(weight, memory_format=torch.preserve_format)
    # The fused optimiser keeps its step count as a float32 on the device of the weight.
    step = torch.zeros((), dtype=torch.float32, device=weight.device)
    return {"step": step, "exp_avg": zeros, "exp_avg_sq": zeros.clone()}


@contextmanager
def one_thread() -> Iterator[None]:
    """Run on one thread: faster for models this small, and the sums have one order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Ticker:
    """True once every `seconds`, by a monotonic clock: the system's clock may be changed."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.last = seconds, time.monotonic()

    def __call__(self) -> bool:
        """Is it time?"""
        now = time.monotonic()
        due = now - self.last >= self.seconds
        self.last = now if due else self.last
        return due
