"""The models whose heads the attribution benchmark edits: four layers of eight heads, without MLP."""

from mesa.config.model import InContextConfig, Kernel, LanguageConfig
from mesa.models.in_context import InContextTransformer
from mesa.models.language import TokenTransformer
from probes.subject import LanguageSubject, RegressionSubject, Subject
from tasks.readers.next_token import NextTokenReader
from tasks.readers.paired import PairedReader
from tasks.regression.linear_regression import LinearRegression
from tasks.sequences.repeated_tokens import RepeatedTokens

LAYERS, HEADS = 4, 8


def symbols(d_model: int) -> Subject:
    """Softmax attention on repeated tokens, sequences of 48, heads of d_model / 8."""
    task = RepeatedTokens()
    config = LanguageConfig(
        n_layers=LAYERS,
        n_heads=HEADS,
        d_model=d_model,
        d_head=d_model // HEADS,
        kernel="softmax",
        init_variance=1.0,
    )
    return LanguageSubject(TokenTransformer(config, task.d_vocab, task.n_ctx), NextTokenReader(), task)


def regression(kernel: Kernel) -> Subject:
    """Attention on ten examples and a query, heads as wide as the tokens."""
    config = InContextConfig(n_layers=LAYERS, n_heads=HEADS, kernel=kernel, init_variance=0.1)
    return RegressionSubject(InContextTransformer(config, 11), PairedReader(), LinearRegression())
