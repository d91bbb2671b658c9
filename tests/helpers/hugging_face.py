"""Small Hugging Face language models, made and saved on the spot, and a HookedTransformer with the weights of one."""

import warnings
from pathlib import Path
from typing import Any

import torch
from transformer_lens import HookedTransformer, HookedTransformerConfig

VOCABULARY, CONTEXT = 40, 32
NAMES = ("gpt2", "llama", "gpt_neox")


def made(name: str) -> Any:
    """A model with random weights, large enough for its heads to change the output."""
    from transformers import (
        BertConfig,
        BertLMHeadModel,
        GemmaConfig,
        GemmaForCausalLM,
        GPT2Config,
        GPT2LMHeadModel,
        GPTNeoXConfig,
        GPTNeoXForCausalLM,
        LlamaConfig,
        LlamaForCausalLM,
        OPTConfig,
        OPTForCausalLM,
    )

    ids = {"vocab_size": VOCABULARY, "bos_token_id": 3, "eos_token_id": 4, "initializer_range": 0.3}
    wide = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        if name == "gpt2":
            model: Any = GPT2LMHeadModel(GPT2Config(n_positions=CONTEXT, n_embd=16, n_layer=2, n_head=4, **ids))
        elif name == "llama":
            # Two heads share their keys and values.
            model = LlamaForCausalLM(LlamaConfig(num_key_value_heads=2, max_position_embeddings=CONTEXT, **wide, **ids))
        elif name == "gemma":
            # Its norms multiply by one plus their weight, not by it.
            model = GemmaForCausalLM(GemmaConfig(head_dim=4, num_key_value_heads=4, **wide, **ids))
        elif name == "opt":
            # A bridge of it has hook points for patterns that never fire.
            shape = {"ffn_dim": 24, "word_embed_proj_dim": 16, "hidden_size": 16, "init_std": 0.3}
            settings = {"vocab_size": VOCABULARY, "num_hidden_layers": 2, "num_attention_heads": 4, **shape}
            model = OPTForCausalLM(OPTConfig(max_position_embeddings=CONTEXT, **settings))
        elif name == "bert":
            # Its class is named among the causal ones; its attention goes both ways unless it is told to be a decoder.
            model = BertLMHeadModel(BertConfig(max_position_embeddings=CONTEXT, **wide, **ids))
        else:
            model = GPTNeoXForCausalLM(GPTNeoXConfig(max_position_embeddings=CONTEXT, **wide, **ids))
        # Biases and norms are initialised to 0 and 1; with these values a mistake in reading them would not show.
        for weight in model.parameters():
            if weight.ndim == 1:
                weight.data += 0.1 * torch.randn_like(weight)
    return model.eval()


def saved(name: str, folder: Path) -> Path:
    """The directory of a model as Hugging Face saves it, without a tokenizer."""
    from transformers.utils import logging

    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    made(name).save_pretrained(folder / name)
    if bars:
        logging.enable_progress_bar()
    return folder / name


def hooked(bridge: Any) -> HookedTransformer:
    """A plain HookedTransformer, with LN, MLPs and biases, that holds the weights of a GPT-2."""
    cfg = bridge.cfg
    shape = {"d_model": cfg.d_model, "n_heads": cfg.n_heads, "d_head": cfg.d_head, "n_layers": cfg.n_layers}
    config = HookedTransformerConfig(
        n_ctx=cfg.n_ctx,
        d_vocab=cfg.d_vocab,
        d_mlp=bridge.W_in.shape[-1],
        act_fn="gelu_new",
        normalization_type="LN",
        init_weights=False,
        device="cpu",
        **shape,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        model = HookedTransformer(config)
    state = {"embed.W_E": bridge.W_E, "unembed.W_U": bridge.W_U, "unembed.b_U": torch.zeros(cfg.d_vocab)}
    state["pos_embed.W_pos"] = bridge.original_model.get_parameter("transformer.wpe._original_component.weight")
    for leaf in ("w", "b"):
        state[f"ln_final.{leaf}"] = getattr(bridge.ln_final, leaf)
    for layer, block in enumerate(bridge.blocks):
        for name in ("Q", "K", "V", "O"):
            state |= {f"blocks.{layer}.attn.{kind}_{name}": getattr(bridge, f"{kind}_{name}")[layer] for kind in "Wb"}
        for name in ("in", "out"):
            state |= {f"blocks.{layer}.mlp.{kind}_{name}": getattr(bridge, f"{kind}_{name}")[layer] for kind in "Wb"}
        state |= {
            f"blocks.{layer}.{norm}.{leaf}": getattr(getattr(block, norm), leaf)
            for norm in ("ln1", "ln2")
            for leaf in "wb"
        }
    unmatched = model.load_state_dict({name: weight.detach().clone() for name, weight in state.items()}, strict=False)
    assert all(name.rsplit(".", 1)[-1] in ("mask", "IGNORE") for name in unmatched.missing_keys)
    assert not unmatched.unexpected_keys
    return model
