"""What is probed: a model or a predictor, how it is read, and the task whose prompts it is given."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeAlias, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformer_lens import HookedTransformer
from transformer_lens.model_bridge import TransformerBridge

from mesa import fast
from mesa.models.in_context import InContextTransformer
from probes.hooks import HookedModel, forward, hook_name, hooked_run
from probes.of_kind import MethodT, applying, measuring
from probes.sensitivity import chunks, label_sensitivities, sensitivities, sensitivity
from tasks.kinds import Prompts
from tasks.prompt import Prompt, RegressionPrompt, TokenPrompt
from tasks.readers.reader import Inputs, Reader
from tasks.task import Task, TokenTask

PromptT = TypeVar("PromptT", RegressionPrompt, TokenPrompt)
ModelT = TypeVar("ModelT")
TaskT = TypeVar("TaskT")


def unchanged_inputs(inputs: Inputs) -> Inputs:
    """The inputs as they are."""
    return inputs


def _unchanged(prompt: PromptT) -> PromptT:
    return prompt


@dataclass(frozen=True, eq=False)
class View(Generic[PromptT]):
    """How a control changes what a model sees; the learners that it is compared with see the prompts as they are.

    `prompt` acts on prompts before they are encoded, `inputs` on what the reader encodes. Both are pure.
    """

    prompt: Callable[[PromptT], PromptT] = _unchanged
    inputs: Callable[[Inputs], Inputs] = unchanged_inputs


@dataclass(frozen=True, eq=False)
class _Subject(Generic[ModelT, TaskT, PromptT]):
    """What both kinds of subjects share; `run`, `seed`, `step` and `control` say in tables where a subject comes from.

    `prompt_dtype` and `prompt_device` are for models without parameters to read them from, such as predictors.
    """

    model: ModelT
    reader: Reader[PromptT]
    task: TaskT
    run: str = ""
    seed: int = 0
    step: int | None = None
    control: str = "none"
    prompt_dtype: torch.dtype | None = None
    prompt_device: torch.device | None = None

    @classmethod
    def needed_to_measure(cls, method: MethodT) -> MethodT:
        """Decorate a probe's `__call__`, which then raises ValueError for a subject of another kind."""
        return measuring(cls, method)

    @classmethod
    def needed_to_apply(cls, method: MethodT) -> MethodT:
        """Decorate a probe's `applies`, which then gives the reason for a subject of another kind."""
        return applying(cls, method)

    @property
    def module(self) -> nn.Module | None:
        """The model where it is a module, not a predictor."""
        return self.model if isinstance(self.model, nn.Module) else None

    @property
    def hooked(self) -> HookedModel | None:
        """The model where it has TransformerLens's hook points and weights."""
        return self.model if isinstance(self.model, HookedTransformer | TransformerBridge) else None

    def with_hooks(self) -> HookedModel:
        """The model with TransformerLens's hook points; ValueError where it has none."""
        if self.hooked is None:
            raise ValueError(f"model: {type(self.model).__name__} has no hook points of TransformerLens")
        return self.hooked

    @property
    def n_layers(self) -> int:
        """The number of layers of a model with TransformerLens's hook points; 1 for any other model."""
        return 1 if self.hooked is None else self.hooked.cfg.n_layers

    @property
    def dtype(self) -> torch.dtype:
        """The floating-point type of prompts: the first floating parameter's; else double for predictors."""
        if self.prompt_dtype is not None:
            return self.prompt_dtype
        weight = self._first_weight()
        default = torch.float64 if self.module is None else torch.float32
        return default if weight is None else weight.dtype

    @property
    def device(self) -> torch.device:
        """Where prompts belong: the first floating parameter's device, else the CPU."""
        if self.prompt_device is not None:
            return self.prompt_device
        weight = self._first_weight()
        return torch.device("cpu") if weight is None else weight.device

    def decode(self, resid: Tensor, inputs: Inputs) -> Tensor:
        """The predictions (batch query d_out) in a residual stream (batch pos d_model), or logits as they are."""
        return self.reader.decode(resid, inputs)

    def output(self, inputs: Inputs) -> Float[Tensor, "batch pos d_model"]:
        """The module's output: the last residual stream, or logits. ValueError for a predictor."""
        if self.module is None:
            raise ValueError(f"model: {type(self.model).__name__} is a predictor; it answers prompts, not tokens")
        return forward(self.module, inputs)

    def _first_weight(self) -> Tensor | None:
        weights = () if self.module is None else self.module.parameters()
        return next((weight for weight in weights if weight.is_floating_point()), None)


@dataclass(frozen=True, eq=False)
class RegressionSubject(_Subject["nn.Module | RegressionPredictor", Task, RegressionPrompt]):
    """A model of regression prompts with its reader and task.

    `model` is an InContextTransformer; or any module, with TransformerLens hooks or without, that takes tokens
    (batch pos d_token), in the reader's layout, and returns a residual stream (batch pos d_model) that it can decode;
    or a predictor, whose last step is then the prediction.

    >>> from mesa import InContextConfig, InContextTransformer
    >>> from tasks import LinearRegression, PairedReader
    >>> model = InContextTransformer(InContextConfig(), d_token=4)
    >>> subject = RegressionSubject(model, PairedReader(), LinearRegression(d_in=3))
    >>> subject.predict(subject.prompts(5, torch.Generator().manual_seed(0))).shape
    torch.Size([5, 1, 1])
    """

    view: View[RegressionPrompt] = View()
    kind: ClassVar[Prompts] = "regression"

    @property
    def transformer(self) -> InContextTransformer | None:
        """The model where it is an InContextTransformer."""
        return self.model if isinstance(self.model, InContextTransformer) else None

    def with_weights(self) -> InContextTransformer:
        """The InContextTransformer whose weights are read; ValueError for any other model."""
        if self.transformer is None:
            raise ValueError(f"model: {type(self.model).__name__} is not an InContextTransformer")
        return self.transformer

    def prompts(
        self, count: int, generator: torch.Generator, task: Task | None = None, queries: int = 1
    ) -> RegressionPrompt:
        """Fresh prompts of the subject's task, or of another, in the model's dtype and on its device."""
        return (task or self.task).sample(count, generator, queries).to(self.device, self.dtype)

    def encode(self, prompt: Prompt) -> Inputs:
        """What the model is given: the prompts through the subject's view, as the reader lays them out.

        Raises ValueError for token sequences.
        """
        if not isinstance(prompt, RegressionPrompt):
            raise ValueError(f"prompt: a model of regression prompts cannot read a {type(prompt).__name__}")
        return self.view.inputs(self.reader.encode(self.view.prompt(prompt)))

    def predict(self, prompt: RegressionPrompt) -> Float[Tensor, "batch query d_out"]:
        """The model's predictions, without a graph."""
        with torch.no_grad():
            return torch.cat([self._predict(chunk) for chunk in chunks(prompt)])

    def sensitivity(self, prompt: RegressionPrompt) -> Float[Tensor, "batch query d_out d_in"]:
        """The gradient of each prediction with respect to its own query; no parameter's `.grad` is touched."""
        return torch.cat([sensitivity(self._predict, chunk) for chunk in chunks(prompt)])

    def label_sensitivity(self, prompt: RegressionPrompt) -> Float[Tensor, "batch query d_out context d_label"]:
        """The gradient of each prediction with respect to every label of its context."""
        return torch.cat(
            [label_sensitivities(lambda prompts: self._predict(prompts)[None], chunk)[0] for chunk in chunks(prompt)]
        )

    def layers(self, prompt: RegressionPrompt) -> Float[Tensor, "stage batch query d_out"]:
        """The prediction so far, decoded before the first layer and after each: n_layers + 1 stages.

        The last stage is the model's prediction. Raises ValueError for a model without TransformerLens's hook points.
        """
        with torch.no_grad():
            return torch.cat([self._layers(chunk) for chunk in chunks(prompt)], dim=1)

    def layer_sensitivity(self, prompt: RegressionPrompt) -> Float[Tensor, "stage batch query d_out d_in"]:
        """The gradient of every stage of `layers` with respect to its own query."""
        return torch.cat([sensitivities(self._layers, chunk) for chunk in chunks(prompt)], dim=1)

    def _predict(self, prompt: RegressionPrompt) -> Tensor:
        if not isinstance(self.model, nn.Module):
            return self.model.predict(self.view.prompt(prompt))[-1]
        inputs = self.encode(prompt)
        exact = fast.path(self.model, self.reader)
        return self.decode(self.output(inputs), inputs) if exact is None else exact.answer(inputs)

    def _layers(self, prompt: RegressionPrompt) -> Tensor:
        model, inputs = self.with_hooks(), self.encode(prompt)
        names = [hook_name(0, "resid_pre"), *(hook_name(layer, "resid_post") for layer in range(self.n_layers))]
        output, resid = hooked_run(model, inputs, keep=names[:-1], graph=True)
        # The model may normalise its last residual stream before it is read, so the last stage is its output.
        return torch.stack([self.decode(stage, inputs) for stage in (*(resid[name] for name in names[:-1]), output)])


@dataclass(frozen=True, eq=False)
class LanguageSubject(_Subject["nn.Module | TokenPredictor", TokenTask, TokenPrompt]):
    """A language model of token sequences with its reader and task.

    `model` is a HookedTransformer, a TransformerBridge or any other module that takes ids (batch pos) and returns
    logits (batch pos d_vocab); or a predictor, whose log-probabilities are then the logits.

    >>> from mesa import LanguageConfig
    >>> from mesa.models.language import TokenTransformer
    >>> from tasks import MarkovChain, NextTokenReader
    >>> task = MarkovChain(vocabulary=3, length=8)
    >>> model = TokenTransformer(LanguageConfig(d_model=8, kernel="softmax"), task.d_vocab, task.n_ctx)
    >>> subject = LanguageSubject(model, NextTokenReader(), task)
    >>> subject.predict(subject.prompts(5, torch.Generator().manual_seed(0))).shape
    torch.Size([5, 8, 4])
    """

    view: View[TokenPrompt] = View()
    kind: ClassVar[Prompts] = "tokens"

    def prompts(self, count: int, generator: torch.Generator, task: TokenTask | None = None) -> TokenPrompt:
        """Fresh sequences of the subject's task, or of another, on the model's device."""
        return (task or self.task).sample(count, generator).to(self.device)

    def encode(self, prompt: Prompt) -> Inputs:
        """What the model is given: the sequences through the subject's view, as the reader lays them out.

        Raises ValueError for regression prompts.
        """
        if not isinstance(prompt, TokenPrompt):
            raise ValueError(f"prompt: a language model cannot read a {type(prompt).__name__}")
        return self.view.inputs(self.reader.encode(self.view.prompt(prompt)))

    def predict(self, prompt: TokenPrompt) -> Float[Tensor, "batch pos d_vocab"]:
        """The model's logits (batch pos-1 d_vocab) for every token but the first, without a graph."""
        with torch.no_grad():
            return torch.cat([self._predict(chunk) for chunk in chunks(prompt)])

    def _predict(self, prompt: TokenPrompt) -> Tensor:
        if not isinstance(self.model, nn.Module):
            return self.model.log_probabilities(self.view.prompt(prompt))
        inputs = self.encode(prompt)
        return self.decode(self.output(inputs), inputs)


Subject: TypeAlias = RegressionSubject | LanguageSubject
SubjectT = TypeVar("SubjectT", bound=Subject)
"""A subject, in functions that return one of the same kind."""
