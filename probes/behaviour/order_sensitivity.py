"""Does the order of the examples matter? Gradient descent does not depend on it; real models do ([SHEN])."""

from dataclasses import dataclass

import torch

from probes.readings.reading import Reading
from probes.subject import RegressionSubject


@dataclass(frozen=True)
class OrderSensitivity:
    """The spread of predictions over orders of the context, compared with their spread over prompts.

    The model predicts each prompt in `permutations` orders: its own, and random ones that are the same for all prompts.
    Source: Shen et al., arXiv 2310.08540. Raises ValueError for less than two orders.

    `order_spread`: the root mean square over prompts of the standard deviation over orders, in the prediction's unit.
    `prompt_spread`: the standard deviation over prompts of the prediction in its own order, in the prediction's unit.
    `order_sensitivity`: order_spread / prompt_spread; 0 for an algorithm on sets, about 1 where another order changes
        the prediction as much as another prompt, NaN where all prompts have the same prediction.

    >>> from mesa.construction import gradient_step_model
    >>> from tasks import LinearRegression, PairedReader
    >>> subject = RegressionSubject(gradient_step_model(0.6, d_in=10), PairedReader(), LinearRegression())
    >>> table = OrderSensitivity(prompts=50)(subject, torch.Generator().manual_seed(0)).table
    >>> round(table[table.metric == "order_sensitivity"].value.item(), 10)
    0.0
    """

    prompts: int = 2_000
    permutations: int = 20
    name: str = "order_sensitivity"

    def __post_init__(self) -> None:
        if self.permutations < 2:
            raise ValueError(f"permutations: {self.permutations} must be at least 2, or there is no spread")

    @RegressionSubject.needed_to_apply
    def applies(self, subject: RegressionSubject) -> str | None:
        """Any model of regression prompts can predict from examples in another order."""
        return None

    @RegressionSubject.needed_to_measure
    def __call__(self, subject: RegressionSubject, generator: torch.Generator) -> Reading:
        """Measure."""
        prompt = subject.prompts(self.prompts, generator)
        count = prompt.x.shape[1]
        orders = [torch.arange(count)]
        orders += [torch.randperm(count, generator=generator) for _ in range(self.permutations - 1)]
        predictions = torch.stack([subject.predict(prompt.permute(order)) for order in orders]).double()
        order_spread = float(predictions.var(dim=0).mean().sqrt())
        prompt_spread = float(predictions[0].var(dim=0).mean().sqrt())
        values = {
            "order_spread": order_spread,
            "prompt_spread": prompt_spread,
            "order_sensitivity": order_spread / prompt_spread if prompt_spread else float("nan"),
        }
        rows = [{"metric": metric, "readout": "prediction", "value": value} for metric, value in values.items()]
        return Reading.of(rows)
