"""Language models of others: a local Hugging Face directory becomes a model with TransformerLens's hook points."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch
from torch import nn
from transformer_lens.model_bridge import TransformerBridge

from mesa.errors import UserError
from mesa.rng import generator
from probes.subject import LanguageSubject
from tasks.readers.next_token import NextTokenReader
from tasks.sequences.repeated_tokens import RepeatedTokens
from tasks.task import TokenTask

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel


def load_pretrained(
    path: Path | str, *, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
) -> TransformerBridge:
    """The causal language model of a Hugging Face directory; ids (batch pos) in, logits (batch pos d_vocab) out.

    Weights stay as they were saved: no norm is folded and nothing is centred. Attention is eager, so that edits of
    patterns change the output. Only config.json and weights in .safetensors are read, and only from this machine: no
    network, no code of the model's own, no pickle. The bridge has no tokenizer. The global random state is kept.
    Raises UserError, naming the directory, where it holds no whole causal language model that TransformerLens knows.

    >>> load_pretrained("no/such/place")
    Traceback (most recent call last):
    tasks.errors.UserError: no/such/place: is not a directory
    """
    directory = Path(path)
    config = _config(directory)
    if not any(directory.glob("*.safetensors")):
        raise UserError(f"{directory}: holds no weights in .safetensors; pickled ones (pytorch_model.bin) are not read")
    _check_files(directory, config)
    model = _loaded(directory, config, dtype)
    for name, weight in model.named_parameters():
        if not bool(weight.isfinite().all()):
            raise UserError(f"{directory}: {name} holds a number that is not finite")
    bridge = _bridge(model, directory, device, dtype)
    if _looks_ahead(bridge):
        raise UserError(f"{directory}: {type(model).__name__} sees tokens to come; it is not a causal language model")
    return bridge


def _check_files(directory: Path, config: "PreTrainedConfig") -> None:
    """UserError for complex weights, and for more layers than weights.

    The library would drop imaginary parts, and build all layers before it finds that their weights are missing.
    """
    from safetensors import SafetensorError, safe_open

    weights = 0
    for path in directory.glob("*.safetensors"):
        try:
            with safe_open(path, framework="pt") as file:
                kinds = {name: str(file.get_slice(name).get_dtype()) for name in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError):
            # The loader says so, where it reads this file.
            return
        for name, kind in kinds.items():
            if kind.startswith("C"):
                raise UserError(f"{directory}: {name} must hold real numbers, and holds complex ones ({kind})")
        weights += len(kinds)
    layers = getattr(config, "num_hidden_layers", None)
    if isinstance(layers, int) and layers > weights:
        raise UserError(f"{directory}: config.json asks for {layers} layers, and its files hold only {weights} weights")


def _loaded(directory: Path, config: "PreTrainedConfig", dtype: torch.dtype) -> nn.Module:
    """The model with the weights of the directory; UserError where the weights are not exactly the model's."""
    from transformers import AutoModelForCausalLM

    # The loader draws weights that a file lacks from the global random state.
    with _quiet(), _refusing(directory, "its weights cannot be read"), torch.random.fork_rng(devices=[]):
        try:
            loaded = AutoModelForCausalLM.from_pretrained(
                directory.resolve(),
                config=config,
                dtype=dtype,
                attn_implementation="eager",
                use_safetensors=True,
                local_files_only=True,
                trust_remote_code=False,
                output_loading_info=True,
            )
        except RuntimeError as error:
            # The library's error points to a table that it logs.
            if "ignore_mismatched_sizes" not in str(error):
                raise
            raise UserError(
                f"{directory}: weights have other shapes than the model of its config.json needs"
            ) from error
    model, info = cast("tuple[nn.Module, dict[str, Collection[str]]]", loaded)
    # A missing weight would stay random. A surplus one belongs to a layer that config.json does not count. Other
    # surplus names, such as masks in old files, are no weights.
    surplus = [name for name in info["unexpected_keys"] if name.endswith((".weight", ".bias"))]
    for problem, names in (("lacks", info["missing_keys"]), ("does not use", surplus)):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise UserError(f"{directory}: the model of its config.json {problem} the weight {min(names)}{more}")
    return model


def pretrained_subject(
    path: Path | str, task: TokenTask | None = None, *, device: torch.device | str = "cpu"
) -> LanguageSubject:
    """The model of a Hugging Face directory on a task of token sequences, by default repeated random tokens.

    The default task begins with the model's first-token id, draws from the whole vocabulary and fits in the model's
    context. Raises UserError as `load_pretrained` does, and for a task with more ids or longer sequences than the model
    has.
    """
    model = load_pretrained(path, device=device)
    config = cast("PreTrainedModel", model.original_model).config
    if task is None:
        length = min(RepeatedTokens.length, model.cfg.n_ctx) // 2 * 2
        first = next((token for token in (config.bos_token_id, config.eos_token_id) if isinstance(token, int)), 0)
        # A configuration that was copied may name an id beyond this model's vocabulary.
        bos = first if 0 <= first < model.cfg.d_vocab else 0
        shape = {"length": length, "shortest": max(length // 4, 1), "longest": length // 2}
        with _refusing(Path(path), "too small a model for repeated tokens"):
            task = RepeatedTokens(vocabulary=model.cfg.d_vocab, bos=bos, **shape)
    for unit, needed, available in (
        ("ids", task.d_vocab, model.cfg.d_vocab),
        ("positions", task.n_ctx, model.cfg.n_ctx),
    ):
        if needed > available:
            raise UserError(f"{path}: the task asks for {needed} {unit}, the model has {available}")
    return LanguageSubject(model, NextTokenReader(), task, run=Path(path).resolve().name)


def untrained_twin(model: TransformerBridge, seed: int) -> TransformerBridge:
    """The same architecture with new random matrices, a function of `seed`.

    Entries are normal with the standard deviation `initializer_range` of the model's configuration, else 0.02. Norms
    and biases have the library's initial values.
    """
    original = model.original_model
    like = next(original.parameters())
    # The library draws from the global random state only. That state is restored, and the matrices are drawn again.
    with _quiet(), torch.random.fork_rng(devices=[]):
        fresh = type(original)(original.config)
    drawn, width = generator(seed, "control/untrained"), getattr(original.config, "initializer_range", 0.02)
    with torch.no_grad():
        for weight in fresh.parameters():
            if weight.ndim > 1:
                weight.normal_(0.0, width, generator=drawn)
    return _bridge(fresh.to(like.dtype), Path(model.cfg.model_name), like.device, like.dtype)


def _looks_ahead(model: TransformerBridge) -> bool:
    """Whether another last token changes earlier logits: some classes named causal are causal only by an option."""
    length = min(8, model.cfg.n_ctx)
    tokens = (torch.arange(length, device=next(model.parameters()).device) % model.cfg.d_vocab).repeat(2, 1)
    tokens[1, -1] = (tokens[1, -1] + 1) % model.cfg.d_vocab
    with torch.no_grad():
        logits = model(tokens)[:, :-1]
    # Rounding changes the last few digits. A later token that is attended to changes half of the digits or more.
    return bool((logits[0] - logits[1]).abs().max() > torch.finfo(logits.dtype).eps ** 0.5 * logits.abs().max())


def _config(directory: Path) -> "PreTrainedConfig":
    """The configuration of a causal language model; UserError where the directory has none."""
    if not directory.is_dir():
        raise UserError(f"{directory}: is not a directory")
    if not (directory / "config.json").is_file():
        raise UserError(f"{directory}: has no config.json, which a Hugging Face model has")
    from transformer_lens.model_bridge.sources.transformers import (
        determine_architecture_from_hf_config,
        get_hf_model_class_for_architecture,
    )
    from transformers import AutoConfig, AutoModelForCausalLM
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    with _quiet(), _refusing(directory, "its config.json cannot be read"):
        config = AutoConfig.from_pretrained(directory.resolve(), local_files_only=True, trust_remote_code=False)
    with _refusing(directory, "architectures in its config.json is not a list of names", with_reason=False):
        named = list(config.architectures or [])
        names = ", ".join(named)
    causal = set(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values())
    if not causal.intersection(named):
        raise UserError(f"{directory}: {names or config.model_type} is not a causal language model")
    with _refusing(directory, f"{named[0]} is not an architecture that TransformerLens knows", with_reason=False):
        architecture = determine_architecture_from_hf_config(config)
    if get_hf_model_class_for_architecture(architecture) is not AutoModelForCausalLM:
        raise UserError(f"{directory}: {named[0]} is not a causal language model")
    return config


def _bridge(model: nn.Module, directory: Path, device: torch.device | str, dtype: torch.dtype) -> TransformerBridge:
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    # The bridge looks for a tokenizer where it gets none, and a directory need not hold one. It gets this one.
    words = Tokenizer(models.WordLevel({"none": 0}, unk_token="none"))
    stand_in = PreTrainedTokenizerFast(tokenizer_object=words, unk_token="none", eos_token="none", pad_token="none")
    with _quiet(), _refusing(directory, "TransformerLens cannot take it"), torch.random.fork_rng(devices=[]):
        bridge = TransformerBridge.boot_transformers(
            str(directory.resolve()), hf_model=model.to(device).eval(), tokenizer=stand_in, device=device, dtype=dtype
        )
    bridge.tokenizer = None
    return bridge


@contextmanager
def _refusing(directory: Path, rule: str, with_reason: bool = True) -> Iterator[None]:
    """Any error of the libraries becomes a UserError in one line that names the directory."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        words = f" ({' '.join(str(error).split())[:200]})" if with_reason else ""
        raise UserError(f"{directory}: {rule}{words}") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the library's progress bars and log messages; its settings are restored after."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
