"""One layer of attention as the products of its weights."""

from dataclasses import dataclass, replace

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from mesa.models.attention import Kernel, KernelAttention

# Matrix products of 12 channels take half the time of 11: CPU kernels have vectors of 4 or more numbers.
_MULTIPLE = 4


@dataclass(frozen=True, eq=False)
class Layer:
    """A = W_Q W_K^T / scale and V = W_V W_O of every head: rows write sum_h kernel(rows A_h E^T) E V_h."""

    kernel: Kernel
    A: Float[Tensor, "head d_model d_model"]
    V: Float[Tensor, "head d_model d_out"]

    def reading(self, d_out: int) -> "Layer":
        """The same layer, writing only to the last `d_out` channels."""
        return replace(self, V=self.V[..., -d_out:])

    def padded(self) -> "Layer":
        """The same layer on tokens with channels of zeros in front."""
        missing = padding(self.A.shape[-1])
        sides = (missing, 0, missing, 0)
        return replace(self, A=functional.pad(self.A, sides), V=functional.pad(self.V, sides)) if missing else self


def layer_of(attn: KernelAttention) -> Layer:
    """The layer of one block's attention, which has no bias."""
    return Layer(attn.kernel, attn.W_Q @ attn.W_K.mT / attn.attn_scale, attn.W_V @ attn.W_O)


def padding(width: int) -> int:
    """How many channels a width lacks to be fast.

    >>> padding(11), padding(12)
    (1, 0)
    """
    return -width % _MULTIPLE


def padded(tokens: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_padded"]:
    """Tokens with channels of zeros in front, so that the channels that are read stay last."""
    missing = padding(tokens.shape[-1])
    return functional.pad(tokens, (missing, 0)) if missing else tokens
