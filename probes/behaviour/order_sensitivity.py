"""Does the order of the examples matter? Gradient descent does not look at it; real models do ([SHEN])."""

from dataclasses import dataclass

import torch

from probes.reading import Reading
from probes.subject import RegressionSubject


@dataclass(frozen=True)
class OrderSensitivity:
    """The spread of predictions over permutations of the context, beside their spread over prompts.

    Each prompt is asked `permutations` times, in its own order and in random ones, the same for all prompts. Metrics:
    `order_spread`, the root mean square over prompts of the standard deviation over orders; `prompt_spread`, the
    standard deviation over prompts of the prediction in its own order, in the prediction's unit as the first;
    `order_sensitivity`, their quotient: 0 for an algorithm on sets, and about 1 for a prediction that another order
    changes as much as another prompt. It is missing (NaN) where all prompts are answered alike. (Shen et al.,
    arXiv 2310.08540.) Raises ValueError for less than two orders.

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

    def applies(self, subject: RegressionSubject) -> str | None:
        """Any model of regression prompts that predicts can be asked in another order."""
        return None

    def __call__(self, subject: RegressionSubject, generator: torch.Generator) -> Reading:
        """Measure."""
        prompt = subject.prompts(self.prompts, generator)
        count = prompt.x.shape[1]
        orders = [torch.arange(count)]
        orders += [torch.randperm(count, generator=generator) for _ in range(self.permutations - 1)]
        said = torch.stack([subject.predict(prompt.permute(order)) for order in orders]).double()
        order_spread = float(said.var(dim=0).mean().sqrt())
        prompt_spread = float(said[0].var(dim=0).mean().sqrt())
        values = {
            "order_spread": order_spread,
            "prompt_spread": prompt_spread,
            "order_sensitivity": order_spread / prompt_spread if prompt_spread else float("nan"),
        }
        rows = [{"metric": metric, "readout": "prediction", "value": value} for metric, value in values.items()]
        return Reading.of(rows)
