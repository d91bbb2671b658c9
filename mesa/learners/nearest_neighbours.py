"""Nearest neighbours: the mean label of the context inputs that lie closest to the query."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from tasks.prompt import RegressionPrompt


@dataclass(frozen=True, eq=False)
class NearestNeighbours:
    """The mean label of the `neighbours` nearest examples in Euclidean distance, of all where there are fewer.

    The prediction is constant between jumps: its gradient in the query is zero and there are no weights. Of examples
    at one distance the earlier comes first. Raises ValueError for less than one neighbour.

    >>> x = torch.tensor([[[0.0], [1.0], [5.0]]])
    >>> prompt = RegressionPrompt(x, y=x, query=x[:, :1], target=x[:, :1])
    >>> NearestNeighbours(2).predict(prompt).item()
    0.5
    """

    neighbours: int = 1
    name: str = "nearest_neighbours"

    def __post_init__(self) -> None:
        if self.neighbours < 1:
            raise ValueError(f"neighbours: {self.neighbours} must be at least 1")

    @property
    def steps(self) -> int:
        """1: there are no further steps."""
        return 1

    @property
    def parameters(self) -> dict[str, float]:
        """The fitted number by name."""
        return {"neighbours": float(self.neighbours)}

    def weights(self, prompt: RegressionPrompt) -> None:
        """None: it is not linear in the query."""
        return

    def predict(self, prompt: RegressionPrompt) -> Float[Tensor, "learner_step batch query d_out"]:
        """The prediction, as a single step."""
        mean = _means(prompt, min(self.neighbours, prompt.x.shape[1]))[:, :, -1]
        # The added zero gives a gradient of zero; autograd would refuse a constant.
        return (mean.to(prompt.y.dtype) + 0.0 * prompt.query.sum(dim=-1, keepdim=True))[None]

    def fit(self, prompt: RegressionPrompt) -> "NearestNeighbours":
        """The number of neighbours of least loss among 1..N, the smallest of equals."""
        gap = _means(prompt, prompt.x.shape[1]) - prompt.target.double()[:, :, None]
        return replace(self, neighbours=1 + int(gap.square().sum(dim=-1).mean(dim=(0, 1)).argmin()))


def _means(prompt: RegressionPrompt, largest: int) -> Float[Tensor, "batch query neighbour d_out"]:
    """The mean labels of the nearest 1, 2, ... `largest` examples, in float64."""
    query, x = prompt.query.detach().double(), prompt.x.double()
    # The form |q|^2 - 2 q.x + |x|^2 would lose the digits in which near examples differ.
    distance = torch.cdist(query, x, compute_mode="donot_use_mm_for_euclid_dist")
    nearest = distance.sort(dim=-1, stable=True).indices[..., :largest]
    batch = torch.arange(len(x), device=x.device)[:, None, None]
    labels = prompt.y.double()[batch, nearest]
    return labels.cumsum(dim=2) / torch.arange(1, largest + 1, device=x.device)[:, None]
