"""Are trained and constructed weights one solution? The loss of the model halfway between them ([VO] section 3)."""

from dataclasses import dataclass

import torch

from mesa.construction.products import from_products, weight_products
from probes.readings.reading import Reading
from probes.subject import RegressionSubject
from probes.weights.normalised_products import construction_products, scaled, why_not_single_linear_head
from tasks.readers.reader import half_squared_error


@dataclass(frozen=True)
class Interpolation:
    """Average A / beta and V * beta with the construction's, and measure the averaged model.

    The construction is tuned gradient descent for one layer, and GD++ with a step a layer for tied ones.

    Metrics on the same prompts: `interpolated_loss`, `loss` (the model's) and `learner_loss` (the construction's).
    `interpolated_loss` is missing (NaN) while beta is near zero, as it is early in training.

    >>> from mesa.construction import gradient_step_model
    >>> from tasks import LinearRegression, PairedReader
    >>> subject = RegressionSubject(gradient_step_model(0.6, d_in=10), PairedReader(), LinearRegression())
    >>> table = Interpolation(prompts=500)(subject, torch.Generator().manual_seed(0)).table
    >>> table.metric.tolist()
    ['interpolated_loss', 'loss', 'learner_loss']
    """

    prompts: int = 10_000
    name: str = "interpolation"

    @RegressionSubject.needed_to_apply
    def applies(self, subject: RegressionSubject) -> str | None:
        """One-head linear self-attention on paired tokens, one layer or tied ones."""
        reason = why_not_single_linear_head(subject)
        if reason is None:
            config = subject.with_weights().config
            if config.n_layers > 1 and not config.tied:
                return "naive interpolation means nothing for untied layers: each has a scale of its own"
        return reason

    @RegressionSubject.needed_to_measure
    def __call__(self, subject: RegressionSubject, generator: torch.Generator) -> Reading:
        """Measure."""
        model = subject.with_weights()
        tuning = subject.prompts(self.prompts, generator)
        learner, products = construction_products(subject, tuning)
        prompt = subject.prompts(self.prompts, generator)
        d_in = tuning.x.shape[-1]
        trained, constructed = scaled(*weight_products(model), d_in), scaled(*products, d_in)
        loss = float("nan")
        if trained.defined:
            average = from_products(
                model, (trained.A + constructed.A)[:, None] / 2, (trained.V + constructed.V)[:, None] / 2
            )
            between = RegressionSubject(average, subject.reader, subject.task)
            loss = half_squared_error(between.predict(prompt), prompt.target).item()
        model_loss = half_squared_error(subject.predict(prompt), prompt.target).item()
        learner_loss = half_squared_error(learner.predict(prompt)[-1], prompt.target).item()
        described = {"learner": learner.name, "learner_step": learner.steps}
        return Reading.of(
            [
                {"metric": "interpolated_loss", **described, "value": loss},
                {"metric": "loss", "value": model_loss},
                {"metric": "learner_loss", **described, "value": learner_loss},
            ]
        )
