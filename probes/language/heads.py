"""What heads of a language model do, through TransformerLens's hook names and weight shapes alone."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from mesa.rng import generator
from probes.hooks import DeadHook, HookedModel, hook_name, hooked_run
from probes.subject import LanguageSubject
from tasks.prompt import TokenPrompt

# The hook points and weights that these probes read; a HookedTransformer and a TransformerBridge have them.
POINTS = ("pattern", "v", "z")
WEIGHTS = ("W_E", "W_U", "W_Q", "W_K", "W_V", "W_O")
# Relative to the largest possible value; smaller values are rounding of models in float32.
ROUNDING = 1e-6
# Of a vocabulary with more ids than this, only the ids that occur are measured.
LARGE = 4096
# This many numbers of float64 take 128 megabytes.
AT_ONCE = 2**24


def token_heads(subject: LanguageSubject) -> str | None:
    """None for a language model whose heads can be read, or why they cannot, in one line."""
    model = subject.hooked
    if model is None:
        return "the model has no layers with hook points"
    names = [hook_name(layer, point) for layer in range(model.cfg.n_layers) for point in POINTS]
    missing = [name for name in names if name not in model.hook_dict]
    if missing:
        return f"the model has no hook point {missing[0]}"
    if subject.task.d_vocab > model.cfg.d_vocab:
        return f"its task has {subject.task.d_vocab} ids, the model {model.cfg.d_vocab}"
    for name in WEIGHTS:
        # Asked for one by one: an architecture without a weight raises on it.
        if not isinstance(getattr(model, name, None), Tensor):
            return f"the model has no weight {name} of TransformerLens's shape"
    try:
        return _why_weights_misread(subject)
    except DeadHook as error:
        return str(error)


def _why_weights_misread(subject: LanguageSubject) -> str | None:
    """None where the weights tell what the heads write and what the logits are, else the reason in one line.

    Two things are checked on a run: heads write z W_O to the residual stream, and the logits are the residual stream
    after the final norm times W_U. Some architectures normalise what attention writes, scale gains in another way, or
    cap logits. Their weights would be misread.
    """
    model = subject.with_hooks()
    prompt = subject.prompts(2, generator(0, "token_heads"))
    symbols = torch.arange(min(model.cfg.d_vocab, 256))
    out = Unembedding.of(subject, symbols)
    layers = range(model.cfg.n_layers)
    mlp = [f"blocks.{layer}.hook_mlp_out" for layer in layers if f"blocks.{layer}.hook_mlp_out" in model.hook_dict]
    mlp = [] if getattr(model.cfg, "attn_only", False) else mlp
    leaves = ("hook_resid_pre", "attn.hook_z", "hook_resid_post")
    names = [f"blocks.{layer}.{leaf}" for layer in layers for leaf in leaves]
    logits, activations = watched(subject, prompt, [*names, *mlp, *([out.scale_name] if out.scale_name else [])])
    for layer in layers:
        before, z, after = (activations[f"blocks.{layer}.{leaf}"] for leaf in leaves)
        written = torch.einsum("bphe,hem->bpm", z, model.W_O[layer].detach().double()) + _bias(model, layer)
        written = written + activations.get(f"blocks.{layer}.hook_mlp_out", 0.0)
        if not _near(before + written, after, after - before):
            return f"what layer {layer}'s heads write is not z W_O: it is normalised or scaled before it is added"
    last = activations[f"blocks.{model.cfg.n_layers - 1}.hook_resid_post"]
    from_weights = out(last, activations[out.scale_name] if out.scale_name else None)
    of_model = logits[..., symbols.to(logits.device)]
    of_model = of_model - of_model.mean(dim=-1, keepdim=True)
    # Biases of the norm and of the unembedding add one and the same to every position; no head writes them.
    from_weights, of_model = (values - values.mean(dim=(0, 1)) for values in (from_weights, of_model))
    if _near(from_weights, of_model, of_model):
        return None
    return "its logits are not W_U after the final norm: gains or a cap differ"


def _bias(model: HookedModel, layer: int) -> Tensor | float:
    try:
        return model.b_O[layer].detach().double()
    except (AttributeError, TypeError):
        # A bridge raises on a bias that its model does not have.
        return 0.0


def _near(values: Tensor, expected: Tensor, scale: Tensor) -> bool:
    # The model computes in float32, or less: a thousandth is far above its rounding and far below a missing gain.
    return bool((values - expected).norm() <= 1e-3 * scale.norm() + 1e-6 * expected.norm())


def watched(subject: LanguageSubject, prompt: TokenPrompt, names: Iterable[str]) -> tuple[Tensor, dict[str, Tensor]]:
    """Logits (batch pos-1 d_vocab) and activations by name, of one run without a graph, in float64.

    Raises DeadHook, naming the hook point, where one did not fire.
    """
    inputs = subject.encode(prompt)
    output, activations = hooked_run(subject.with_hooks(), inputs, keep=names, dtype=torch.float64)
    return subject.decode(output, inputs).double(), activations


@dataclass(frozen=True, eq=False)
class Unembedding:
    """The map from the residual stream to some symbols' logits, mean-centred over them, and the norm before it.

    A norm takes the mean over channels off (LN only), divides each position by one number, its scale, and multiplies by
    gains. All but the scale is linear, so `map` contains it.
    """

    map: Float[Tensor, "d_model symbol"]
    scale_name: str | None

    @classmethod
    def of(cls, subject: LanguageSubject, symbols: Int[Tensor, " symbol"]) -> "Unembedding":
        """The unembedding of a language model, for these ids."""
        model = subject.with_hooks()
        name = "ln_final.hook_scale"
        normed = name in model.hook_dict
        W = model.W_U.detach().double()[:, symbols.to(model.W_U.device)]
        W = fold_norm(model, model.ln_final if normed else None, W)
        return cls(W - W.mean(dim=1, keepdim=True), name if normed else None)

    def __call__(self, written: Tensor, scale: Tensor | None = None) -> Tensor:
        """The logits of what was written (*place d_model), under the model's own scale (*place 1) where it has one."""
        logits = written @ self.map
        return logits if scale is None else logits / scale


def fold_norm(
    model: HookedModel, norm: nn.Module | None, weight: Float[Tensor, "*head d_model width"]
) -> Float[Tensor, "*head d_model width"]:
    """A weight that reads the norm's output, as one that reads the norm's input divided by the norm's scale.

    The norm's gains are multiplied in, and LN's mean over channels is taken off.
    """
    gain = next((w for w in (getattr(norm, "w", None), getattr(norm, "weight", None)) if w is not None), None)
    if gain is not None:
        weight = gain.detach().double()[:, None] * weight
    if norm is not None and str(model.cfg.normalization_type).startswith("LN"):
        weight = weight - weight.mean(dim=-2, keepdim=True)
    return weight


def first_norm(model: HookedModel, layer: int) -> nn.Module | None:
    """The norm before a layer's attention, or None where there is none."""
    return model.blocks[layer].ln1 if f"blocks.{layer}.ln1.hook_scale" in model.hook_dict else None


def per_head(values: Float[Tensor, "batch pos group d_head"], heads: int) -> Float[Tensor, "batch pos head d_head"]:
    """Values of every head, where groups of heads share them."""
    return values if values.shape[2] == heads else values.repeat_interleave(heads // values.shape[2], dim=2)


def weights(model: HookedModel, name: str, layer: int) -> Float[Tensor, "head rows columns"]:
    """A layer's W_Q, W_K, W_V or W_O of every head, where groups of heads share it, in float64."""
    weight = getattr(model, name)[layer].detach().double()
    return weight.repeat_interleave(model.cfg.n_heads // weight.shape[0], dim=0)


def share(values: Tensor, total: Tensor, least: Tensor) -> Tensor:
    """values / total, and 0 where the total is no more than `least`: a quotient of rounding errors means nothing."""
    defined = total > least
    return torch.where(defined, values / total.where(defined, torch.ones_like(total)), torch.zeros_like(values))


def attention(pattern: Float[Tensor, "batch head pos key"]) -> Float[Tensor, "batch head pos key"]:
    """Shares of attention: a softmax pattern as it is, a linear one's moduli over their sum, 0 where all are 0."""
    total = pattern.abs().sum(dim=-1, keepdim=True)
    return share(pattern.abs(), total, ROUNDING * total.amax(dim=(0, 2), keepdim=True))


def positivity(left: Float[Tensor, "*place d m"], right: Float[Tensor, "*place m d"]) -> Float[Tensor, "*place"]:
    """The sum of the eigenvalues of a product over the sum of their moduli: 1 where all are positive, 0 for no product.

    >>> positivity(torch.diag(torch.tensor([3.0, -1.0])), torch.eye(2)).item()
    0.5
    """
    values = torch.linalg.eigvals(left @ right)
    sizes = torch.linalg.matrix_norm(left) * torch.linalg.matrix_norm(right)
    return share(values.sum(dim=-1).real, values.abs().sum(dim=-1), 1e-9 * sizes)


def pieces(prompt: TokenPrompt, numbers: int) -> Iterable[TokenPrompt]:
    """The prompts in batches that fit in memory, where each prompt needs this many `numbers`."""
    size = max(1, AT_ONCE // numbers)
    for start in range(0, len(prompt), size):
        yield prompt.batch(start, start + size)
