"""Is a seed that ends at a higher loss in an optimum of its own? The loss between two seeds, and from there on."""

from dataclasses import dataclass, replace

import torch

from analyses.claims.analysis import with_training
from analyses.evidence import Evidence
from mesa.construction.products import from_products, weight_products
from mesa.models.in_context import InContextTransformer
from mesa.rng import generator
from mesa.storage.run import Run
from mesa.training.trainer import Trainer
from probes.plan import subjects_of
from probes.subject import RegressionSubject
from probes.weights.normalised_products import scaled
from tasks.readers.reader import half_squared_error

# Shares of the straight line from a seed's weights (0) to those of the seed with the lowest loss (1).
SHARES = tuple(round(0.1 * step, 1) for step in range(11))
# Shares from which training goes on, and how: the rate is halved every quarter, so that the loss ends without jitter.
STARTS = (0.0, 0.5, 1.0)
STEPS, RATE = 400, 3e-4
PROMPTS = 5000
# A seed whose loss is at most this much above the best seed's, relatively, ended where the best one did.
ALIKE = 0.05


@dataclass(frozen=True)
class Connection:
    """The way between two seeds' weights; losses are on prompts that none of them was trained on.

    `path` holds the loss at each of `SHARES` and `trained` the loss after more training from each of `STARTS`, on the
    training prompts of the first seed.
    """

    path: tuple[float, ...]
    trained: tuple[float, ...]

    @property
    def barrier(self) -> float:
        """The largest loss on the path relative to the larger one of its ends, minus 1: 0 where no hill is between."""
        return max(self.path) / max(self.path[0], self.path[-1]) - 1

    @property
    def kept(self) -> float:
        """The loss after more training from the seed's own weights, relative to that from the other's, minus 1."""
        return self.trained[0] / self.trained[-1] - 1


def far_seeds(evidence: Evidence, run: str) -> tuple[int, tuple[int, ...]]:
    """The seed of a run that ends at the lowest held-out loss, and the seeds that end more than `ALIKE` above it.

    The held-out loss at the end is the median of the last three evaluations: of other prompts for every seed.
    """
    of_run = evidence.curves[evidence.curves["run"] == run].sort_values("step")
    ends = of_run.groupby("seed")["held_out_loss"].apply(lambda losses: float(losses.tail(3).median()))
    best = int(str(ends.idxmin()))
    return best, tuple(int(str(seed)) for seed, loss in ends.items() if loss > (1 + ALIKE) * ends[best])


def connection(run: Run, seed: int, best: int) -> Connection:
    """The way from the last weights of one seed to those of another, both at one scale: A / beta and V * beta."""
    subjects = [_last(run, number) for number in (seed, best)]
    prompt = subjects[0].prompts(PROMPTS, generator(seed, "analyses/optima"))
    ends = [scaled(*weight_products(subject.with_weights()), prompt.x.shape[-1]) for subject in subjects]

    def model_at(share: float) -> InContextTransformer:
        A, V = (
            ((1 - share) * own + share * other)[:, None]
            for own, other in ((ends[0].A, ends[1].A), (ends[0].V, ends[1].V))
        )
        return from_products(subjects[0].with_weights(), A, V)

    def loss(model: InContextTransformer) -> float:
        return half_squared_error(replace(subjects[0], model=model).predict(prompt), prompt.target).item()

    path = tuple(loss(model_at(share)) for share in SHARES)
    trained = tuple(loss(_trained_from(model_at(start), run, seed)) for start in STARTS)
    return Connection(path, trained)


def _last(run: Run, seed: int) -> RegressionSubject:
    (subject,) = subjects_of(run, seed, "last")
    if not isinstance(subject, RegressionSubject):
        raise ValueError(f"{run.name}: its models are not of regression prompts")
    return subject


def _trained_from(start: InContextTransformer, run: Run, seed: int) -> InContextTransformer:
    config = with_training(run.config, until="steps", steps=STEPS, learning_rate=RATE, halve_every=STEPS // 4)
    trainer = Trainer(config, seed)
    model = trainer.model
    if not isinstance(model, InContextTransformer):
        raise ValueError(f"{run.name}: its models are not of regression prompts")
    with torch.no_grad():
        for own, other in zip(model.parameters(), start.parameters(), strict=True):
            own.copy_(other)
    for step in range(1, STEPS + 1):
        trainer.step(step)
    return model
