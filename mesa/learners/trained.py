"""A trained model as a predictor, that another model can be compared with ([VO] section 4)."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call

from tasks.prompt import RegressionPrompt
from tasks.readers.reader import Reader


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """Predicts what a model predicts, in one step.

    Its predictions are differentiable in the query and not in the model's weights, which stay as they are.

    >>> import torch
    >>> from mesa.construction import gradient_step_model
    >>> from tasks import LinearRegression, PairedReader
    >>> prompt = LinearRegression(d_in=3).sample(2, torch.Generator().manual_seed(0)).to(dtype=torch.float64)
    >>> TrainedModel(gradient_step_model(0.6, d_in=3), PairedReader()).predict(prompt).shape
    torch.Size([1, 2, 1, 1])
    """

    model: nn.Module
    reader: Reader[RegressionPrompt]
    name: str = "meta_learned"

    def predict(self, prompt: RegressionPrompt) -> Float[Tensor, "learner_step batch query d_out"]:
        """The model's prediction, as its one step."""
        inputs = self.reader.encode(prompt)
        weights = {name: weight.detach() for name, weight in self.model.named_parameters()}
        return self.reader.decode(functional_call(self.model, weights, (inputs,)), inputs)[None]

    def weights(self, prompt: RegressionPrompt) -> None:
        """None: what is learnt from a context need not be linear in the query."""
        return
