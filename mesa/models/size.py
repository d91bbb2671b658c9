"""How large a model is, from its configuration alone: nothing is built."""

from mesa.config.model import LanguageConfig, ModelConfig, TransformerConfig

# Bytes of the modules and hook points of a layer, besides its weights: about 80,000 are measured.
_LAYER = 2**16


def weight_count(config: ModelConfig, d_in: int, n_ctx: int = 1) -> int:
    """How many weights a model has, with the biases of attention, which may be frozen; tied layers count once.

    `d_in` is the width of its float tokens, or the size of its vocabulary; `n_ctx` is how long its prompts are.

    >>> from mesa.config.model import InContextConfig
    >>> weight_count(InContextConfig(), d_in=11)
    528
    """
    d_model = config.d_model or d_in
    layers = 1 if config.tied else config.n_layers
    return _ends(config, d_in, n_ctx) + layers * _layer(config, d_model) + config.final_norm * _norm(config, d_model)


def training_bytes(config: ModelConfig, d_in: int, n_ctx: int, itemsize: int) -> int:
    """The least memory that training a model takes: every weight, its gradient and Adam's two moments.

    Layers that will be tied are built one by one first. The modules of layers, and the table of what may attend to
    what in each layer of a language model, are counted besides.
    """
    d_model = config.d_model or d_in
    built = _ends(config, d_in, n_ctx) + config.n_layers * _layer(config, d_model)
    tables = n_ctx**2 if config.kind == "language" else 0
    return max(4 * weight_count(config, d_in, n_ctx), built) * itemsize + config.n_layers * (_LAYER + tables)


def _ends(config: ModelConfig, d_in: int, n_ctx: int) -> int:
    """The weights before the first layer and after the last."""
    if isinstance(config, LanguageConfig):
        # Ids, positions, and the unembedding with its bias.
        return d_in * config.d_model + n_ctx * config.d_model + config.d_model * d_in + d_in
    embedding = 0 if config.d_model is None else d_in * config.d_model
    return embedding + _mlp(config.d_model or d_in, config.input_mlp, biases=1)


def _layer(config: TransformerConfig, d_model: int) -> int:
    d_head = config.d_head or d_model
    attention = config.n_heads * (4 * d_model * d_head + 3 * d_head) + d_model
    norms = 1 if config.d_mlp is None else 2
    return attention + _mlp(d_model, config.d_mlp, biases=2) + norms * _norm(config, d_model)


def _mlp(d_model: int, hidden: int | None, biases: int) -> int:
    """Two matrices; with one bias for the hidden layer, and with two for the output as well."""
    return 0 if hidden is None else 2 * d_model * hidden + hidden + (d_model if biases == 2 else 0)


def _norm(config: TransformerConfig, d_model: int) -> int:
    return {None: 0, "RMS": d_model, "LN": 2 * d_model}[config.normalization]
