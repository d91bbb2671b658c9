"""The mean label of the context, whatever the query is."""

from dataclasses import dataclass, replace

from jaxtyping import Float
from torch import Tensor

from tasks.prompt import RegressionPrompt


@dataclass(frozen=True, eq=False)
class MeanLabel:
    """The mean of the context's labels; its gradient in the query is zero, and it has no weights.

    >>> import torch
    >>> x = torch.eye(2)[None]
    >>> prompt = RegressionPrompt(x, torch.tensor([[[1.0], [2.0]]]), query=x[:, :1], target=torch.ones(1, 1, 1))
    >>> MeanLabel().predict(prompt).item()
    1.5
    """

    name: str = "mean_label"

    @property
    def steps(self) -> int:
        """1: there are no further steps."""
        return 1

    def weights(self, prompt: RegressionPrompt) -> None:
        """None: it is not linear in the query."""
        return

    def predict(self, prompt: RegressionPrompt) -> Float[Tensor, "learner_step batch query d_out"]:
        """The prediction, as a single step."""
        # The added zero gives a gradient of zero; autograd would refuse a constant.
        return (prompt.y.mean(dim=1, keepdim=True) + 0.0 * prompt.query.sum(dim=-1, keepdim=True))[None]

    def fit(self, prompt: RegressionPrompt) -> "MeanLabel":
        """A copy: it has no free parameter."""
        return replace(self)
