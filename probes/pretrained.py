"""Language models of others: a local Hugging Face directory becomes a model with TransformerLens's hook points."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformer_lens.model_bridge import TransformerBridge

from mesa.errors import UserError
from mesa.rng import generator
from probes.subject import LanguageSubject
from tasks.readers.next_token import NextTokenReader
from tasks.sequences.repeated_tokens import RepeatedTokens
from tasks.task import TokenTask


def load_pretrained(
    path: Path | str, *, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
) -> TransformerBridge:
    """The causal language model of a Hugging Face directory; ids (batch pos) in, logits (batch pos d_vocab) out.

    Weights stay as they were saved: no norm is folded, nothing is centred. Attention is eager, so that edits of
    patterns count. Read are config.json and weights in .safetensors, on this machine alone: never the network, code of
    the model's own, or a pickle. There is no tokenizer. The global random state is left alone.
    Raises UserError, naming the directory, where it holds no whole causal language model that TransformerLens knows.

    >>> load_pretrained("no/such/place")
    Traceback (most recent call last):
    tasks.errors.UserError: no/such/place: is not a directory
    """
    place = Path(path)
    config = _config(place)
    if not any(place.glob("*.safetensors")):
        raise UserError(f"{place}: holds no weights in .safetensors; pickled ones (pytorch_model.bin) are not read")
    from transformers import AutoModelForCausalLM

    loader: Any = AutoModelForCausalLM
    # The loader draws the weights that a file lacks at random.
    with _quiet(), _refusing(place, "its weights cannot be read"), torch.random.fork_rng(devices=[]):
        model, info = loader.from_pretrained(
            place.resolve(),
            config=config,
            dtype=dtype,
            attn_implementation="eager",
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    # Weights that are missing would be left random, and layers that config.json does not count left out. Other names,
    # as of masks that old files hold, are no weights.
    surplus = [name for name in info["unexpected_keys"] if name.endswith((".weight", ".bias"))]
    for problem, names in (("lacks", info["missing_keys"]), ("does not use", surplus)):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise UserError(f"{place}: the model of its config.json {problem} the weight {min(names)}{more}")
    for name, weight in model.named_parameters():
        if not bool(weight.isfinite().all()):
            raise UserError(f"{place}: {name} holds a number that is not finite")
    bridge = _bridge(model, place, device, dtype)
    if _looks_ahead(bridge):
        raise UserError(f"{place}: {type(model).__name__} sees tokens to come; it is not a causal language model")
    return bridge


def pretrained_subject(
    path: Path | str, task: TokenTask | None = None, *, device: torch.device | str = "cpu"
) -> LanguageSubject:
    """The model of a Hugging Face directory on a task of symbols, by default repeated random tokens.

    These are drawn from its whole vocabulary after its first token of a sequence, and fit in its context. Raises
    UserError as `load_pretrained` does, or where a task has more ids or longer sequences than the model.
    """
    model = load_pretrained(path, device=device)
    config: Any = model.original_model.config
    if task is None:
        length = min(RepeatedTokens.length, model.cfg.n_ctx) // 2 * 2
        first = next((each for each in (config.bos_token_id, config.eos_token_id) if isinstance(each, int)), 0)
        # An id of another vocabulary, as a configuration that was copied has, is none of this model's.
        bos = first if 0 <= first < model.cfg.d_vocab else 0
        shape = {"length": length, "shortest": max(length // 4, 1), "longest": length // 2}
        with _refusing(Path(path), "too small a model for repeated tokens"):
            task = RepeatedTokens(vocabulary=model.cfg.d_vocab, bos=bos, **shape)
    for what, asked, there in (("ids", task.d_vocab, model.cfg.d_vocab), ("positions", task.n_ctx, model.cfg.n_ctx)):
        if asked > there:
            raise UserError(f"{path}: the task asks for {asked} {what}, the model has {there}")
    return LanguageSubject(model, NextTokenReader(), task, run=Path(path).resolve().name)


def untrained_twin(model: TransformerBridge, seed: int) -> TransformerBridge:
    """The same architecture with matrices drawn afresh, normal of its configuration's width; a function of `seed`.

    Norms and biases are as the library begins with them.
    """
    original: Any = model.original_model
    like = next(original.parameters())
    # The library draws from the global state alone: that is put back, and what it drew is drawn again.
    with _quiet(), torch.random.fork_rng(devices=[]):
        fresh = type(original)(original.config)
    drawn, width = generator(seed, "control/untrained"), getattr(original.config, "initializer_range", 0.02)
    with torch.no_grad():
        for weight in fresh.parameters():
            if weight.ndim > 1:
                weight.normal_(0.0, width, generator=drawn)
    return _bridge(fresh.to(like.dtype), Path(model.cfg.model_name), like.device, like.dtype)


def _looks_ahead(model: TransformerBridge) -> bool:
    """Whether another last token changes logits before it: some classes named as causal are so only when asked."""
    length = min(8, model.cfg.n_ctx)
    tokens = (torch.arange(length, device=next(model.parameters()).device) % model.cfg.d_vocab).repeat(2, 1)
    tokens[1, -1] = (tokens[1, -1] + 1) % model.cfg.d_vocab
    with torch.no_grad():
        logits = model(tokens)[:, :-1]
    # Rounding is some of the last digits, a token that is seen half of them and more.
    return bool((logits[0] - logits[1]).abs().max() > torch.finfo(logits.dtype).eps ** 0.5 * logits.abs().max())


def _config(place: Path) -> Any:
    """The configuration, of a causal language model; UserError where there is none."""
    if not place.is_dir():
        raise UserError(f"{place}: is not a directory")
    if not (place / "config.json").is_file():
        raise UserError(f"{place}: has no config.json, which a Hugging Face model has")
    from transformer_lens.model_bridge.sources.transformers import (
        determine_architecture_from_hf_config,
        get_hf_model_class_for_architecture,
    )
    from transformers import AutoConfig, AutoModelForCausalLM
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    with _quiet(), _refusing(place, "its config.json cannot be read"):
        config = AutoConfig.from_pretrained(place.resolve(), local_files_only=True, trust_remote_code=False)
    named = config.architectures or []
    causal = set(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values())
    if not causal.intersection(named):
        raise UserError(f"{place}: {', '.join(named) or config.model_type} is not a causal language model")
    with _refusing(place, f"{named[0]} is not an architecture that TransformerLens knows", told=False):
        architecture = determine_architecture_from_hf_config(config)
    if get_hf_model_class_for_architecture(architecture) is not AutoModelForCausalLM:
        raise UserError(f"{place}: {named[0]} is not a causal language model")
    return config


def _bridge(model: Any, place: Path, device: torch.device | str, dtype: torch.dtype) -> TransformerBridge:
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    # Without a tokenizer the bridge would look for one, and not every directory holds one: this one stands in.
    words = Tokenizer(models.WordLevel({"none": 0}, unk_token="none"))
    stand_in = PreTrainedTokenizerFast(tokenizer_object=words, unk_token="none", eos_token="none", pad_token="none")
    with _quiet(), _refusing(place, "TransformerLens cannot take it"), torch.random.fork_rng(devices=[]):
        bridge = TransformerBridge.boot_transformers(
            str(place.resolve()), hf_model=model.to(device).eval(), tokenizer=stand_in, device=device, dtype=dtype
        )
    bridge.tokenizer = None
    return bridge


@contextmanager
def _refusing(place: Path, rule: str, told: bool = True) -> Iterator[None]:
    """Whatever goes wrong in reading what others wrote becomes one line that names the directory."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        words = f" ({' '.join(str(error).split())[:200]})" if told else ""
        raise UserError(f"{place}: {rule}{words}") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars or remarks of the library's own; its settings are put back."""
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
