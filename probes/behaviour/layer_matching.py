"""Which step of which learner is each layer nearest to, and do steps keep pace with layers? ([AK], [FU])"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import cosine_similarity

from mesa.learners import ConjugateGradients, GradientDescent, Learner, Newton, Ridge
from probes.behaviour.agreement import predictors, relative_distance
from probes.reading import Reading
from probes.sensitivity import predictor_sensitivities
from probes.subject import RegressionSubject
from tasks.predictor import RegressionPredictor
from tasks.prompt import RegressionPrompt
from tasks.regression.sine import SineRegression

# An error this small beside the target is a float32 label's rounding.
_NO_ERROR = 1e-5


@dataclass(frozen=True)
class LayerMatching:
    """Compare the prediction after every layer, f, with that after every step of each learner, g, on the same prompts.

    Metrics per layer, learner and step, and arrays `<learner>_<metric>` (layer step), NaN where undefined: `spd`,
    E |f - g|^2 / d_in; `relative_distance`, |f - g| / |g|;
    `sensitivity_cosine`, of the gradients in the query; `ilwd`, E |w_f - w_g|^2 / d_in, where w_f is the least-squares
    fit to f on half of the fresh queries of each context, and `implied_r_squared`, per layer, its R^2 on the other half
    ([AK], arXiv 2211.15661); `sim_e`, the cosine of the errors f - target and g - target over the fresh queries of one
    context, mean over the contexts in which both have errors ([FU], arXiv 2310.17086, take it over context lengths,
    which needs a causal model). Step 0, predicting zero, has `spd` and `sim_e` too. `best_step` is the step of least
    `spd` for each layer, 0 where a layer has said nothing yet, and `best_step_slope` how much it grows per layer: 1 for
    a learner that the layers perform. `best_step_sim_e` and `best_step_slope_sim_e` are the same by `sim_e`, [FU]'s
    criterion, on which a few prompts with huge predictions have no more weight than others.

    Learners are tuned for as many steps as there are layers, on other prompts, and go on to `max_steps` (None: twice as
    many, at least 4) where their steps share one setting; a learner of one step has no best one. `learners` None means
    gradient descent, GD++, Newton, conjugate gradients, least squares and ridge. There are `queries` fresh queries a
    context (None: four times d_in).

    >>> from mesa.construction import gradient_step_model
    >>> from tasks import LinearRegression, PairedReader
    >>> subject = RegressionSubject(gradient_step_model(1.0, d_in=3, steps=3), PairedReader(), LinearRegression(d_in=3))
    >>> probe = LayerMatching(prompts=50, learners=(GradientDescent(steps=3),))
    >>> table = probe(subject, torch.Generator().manual_seed(0)).table
    >>> table[table.metric == "best_step"].value.tolist()
    [1.0, 2.0, 3.0]
    """

    prompts: int = 2_000
    queries: int | None = None
    max_steps: int | None = None
    learners: tuple[Learner, ...] | None = None
    rivals: tuple[RegressionPredictor, ...] = ()
    name: str = "layer_matching"

    def applies(self, subject: RegressionSubject) -> str | None:
        """Any HookedTransformer, whose residual stream can be decoded after every layer, on a task linear in x."""
        if subject.hooked is None:
            return "only a HookedTransformer has a residual stream to decode after every layer"
        return "the learners are those of linear regression" if isinstance(subject.task, SineRegression) else None

    def __call__(self, subject: RegressionSubject, generator: torch.Generator) -> Reading:
        """Measure; the first half of the randomness tunes the learners."""
        layers = subject.n_layers
        most = self.max_steps or max(2 * layers, 4)
        tuning = subject.prompts(self.prompts, generator)
        learners = _default(subject, most) if self.learners is None else self.learners
        chosen = predictors(learners, self.rivals, subject, tuning)
        queries = self.queries or 4 * tuning.x.shape[-1]
        prompt = subject.prompts(self.prompts, generator, queries=queries)
        model = _Stages.of(subject, prompt)
        rows: list[dict[str, Any]] = [
            {"metric": "implied_r_squared", "layer": layer, "value": value}
            for layer, value in enumerate(model.linearity)
        ]
        arrays: dict[str, np.ndarray] = {}
        for learner in chosen:
            found = _compare(model, _longer(learner, most))
            arrays |= {f"{learner.name}_{metric}": values for metric, values in found.items()}
            rows += [{"learner": learner.name, **row} for row in _rows(found)]
        return Reading.of(({"readout": "prediction", **row} for row in rows), arrays)


@dataclass(frozen=True, eq=False)
class _Stages:
    """A model after each layer, in float64: predictions, sensitivities at the first query, implied weights."""

    prompt: RegressionPrompt
    said: Float[Tensor, "layer batch query d_out"]
    reaction: Float[Tensor, "layer batch d_out d_in"]
    weights: Float[Tensor, "layer batch d_in d_out"]
    linearity: list[float]

    @classmethod
    def of(cls, subject: RegressionSubject, prompt: RegressionPrompt) -> "_Stages":
        first = replace(prompt, query=prompt.query[:, :1], target=prompt.target[:, :1])
        said, wide = subject.layers(prompt)[1:].double(), prompt.to(dtype=torch.float64)
        half = wide.query.shape[1] // 2
        weights = torch.linalg.pinv(wide.query[:, :half]) @ said[:, :, :half]
        rest = said[:, :, half:]
        missed = (rest - wide.query[:, half:] @ weights).square().sum(dim=(1, 2, 3))
        linearity = 1.0 - missed / rest.square().sum(dim=(1, 2, 3))
        reaction = subject.layer_sensitivity(first)[1:, :, 0].double()
        return cls(wide, said, reaction, weights, linearity.tolist())


def _default(subject: RegressionSubject, most: int) -> tuple[Learner, ...]:
    """Learners that are fitted have a step per layer, clipped as the model's tokens are; the others `most` steps."""
    layers = subject.n_layers
    clip = None if subject.transformer is None else subject.transformer.config.clip
    plain, corrected = (GradientDescent(steps=layers, clip=clip, gamma=gamma) for gamma in (None, 0.0))
    return plain, corrected, Newton(most), ConjugateGradients(most), Ridge.least_squares(), Ridge()


def _longer(learner: RegressionPredictor, steps: int) -> RegressionPredictor:
    """The same steps, more of them, where they share one setting."""
    if isinstance(learner, GradientDescent) and learner.shared and learner.steps < steps:
        return replace(learner, steps=steps)
    return learner


def _compare(model: _Stages, learner: RegressionPredictor) -> dict[str, np.ndarray]:
    """Every metric by name, (layer step); step 0 predicts zero."""
    prompt = model.prompt
    guesses, weights = learner.predict(prompt), learner.weights(prompt)
    guesses = torch.cat([torch.zeros_like(guesses[:1]), guesses])
    shape = len(model.said), len(guesses)
    names = ("spd", "relative_distance", "sensitivity_cosine", "ilwd", "sim_e")
    found = {name: np.full(shape, np.nan) for name in names}
    d_in = prompt.x.shape[-1]
    first = replace(prompt, query=prompt.query[:, :1], target=prompt.target[:, :1])
    reactions = predictor_sensitivities(learner, first)[:, :, 0]
    for layer, said in enumerate(model.said):
        for step, guess in enumerate(guesses):
            found["spd"][layer, step] = float((said - guess).square().sum(dim=-1).mean()) / d_in
            found["sim_e"][layer, step] = _error_cosine(said, guess, prompt.target)
            if step == 0:
                continue
            found["relative_distance"][layer, step] = relative_distance(said, guess)
            turns = model.reaction[layer].flatten(1), reactions[step - 1].flatten(1)
            found["sensitivity_cosine"][layer, step] = float(cosine_similarity(*turns, dim=1, eps=1e-300).mean())
            if weights is not None:
                gap = (model.weights[layer] - weights[step - 1]).square().sum(dim=(1, 2))
                found["ilwd"][layer, step] = float(gap.mean()) / d_in
    return found


def _error_cosine(said: Tensor, guess: Tensor, target: Tensor) -> float:
    """SimE; NaN where one of the two has no errors, but for rounding, in most contexts."""
    errors = [(part - target).flatten(1) for part in (said, guess)]
    least = _NO_ERROR * target.flatten(1).norm(dim=1)
    real = (errors[0].norm(dim=1) > least) & (errors[1].norm(dim=1) > least)
    if real.double().mean() < 0.5:
        return float("nan")
    return float(cosine_similarity(errors[0][real], errors[1][real], dim=1, eps=1e-300).mean())


def _rows(found: dict[str, np.ndarray]) -> Iterator[dict[str, Any]]:
    for metric, values in found.items():
        for (layer, step), value in np.ndenumerate(values):
            if not np.isnan(value):
                yield {"metric": metric, "layer": layer, "learner_step": step, "value": float(value)}
    layers, stages = found["spd"].shape
    if stages > 2:
        best = {"best_step": _largest(-found["spd"]), "best_step_sim_e": _largest(found["sim_e"])}
        for metric, steps in best.items():
            for layer, step in enumerate(steps):
                yield {"metric": metric, "layer": layer, "value": float(step)}
            if layers > 1:
                slope = float(np.polyfit(np.arange(layers), steps, 1)[0])
                yield {"metric": metric.replace("step", "step_slope"), "value": slope}


def _largest(values: np.ndarray) -> np.ndarray:
    """The step of each layer with the largest value, any rather than a missing one."""
    return np.where(np.isnan(values), -np.inf, values).argmax(axis=1)
