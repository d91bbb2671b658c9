"""Fitting candidates to a model: the prompts, and the model's predictions as their targets."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from mesa.learners.filters.projection import Projection
from mesa.learners.filters.response import SpectralLearner
from probes.behaviour.identification.candidates import Candidate
from probes.behaviour.identification.conditions import predictions_turned_back
from probes.behaviour.identification.turns import SignedPermutation
from probes.subject import RegressionSubject
from tasks.predictor import RegressionPredictor
from tasks.prompt import RegressionPrompt
from tasks.regression.linear_regression import LinearRegression


@dataclass(frozen=True, eq=False)
class Fits:
    """The prompts that candidates are fitted to: an equivariant one to the mean over turns, another to all turns."""

    task: LinearRegression
    mean_over_turns: RegressionPrompt
    projection: Projection
    turned: RegressionPrompt

    @classmethod
    def of(
        cls,
        subject: RegressionSubject,
        prompt: RegressionPrompt,
        turns: Sequence[SignedPermutation],
        task: LinearRegression,
    ) -> "Fits":
        """The model's predictions for these prompts, and for all of their turns."""
        turned_back = predictions_turned_back(subject, prompt, list(turns))
        wide = prompt.to("cpu", torch.float64)
        mean = replace(wide, target=turned_back.mean(dim=0))
        # The first turn changes nothing. Prompts that are turned are others for a candidate that is not equivariant.
        turned = turns[1](wide)
        both = RegressionPrompt(
            torch.cat([wide.x, turned.x]),
            torch.cat([wide.y, turned.y]),
            torch.cat([wide.query, turned.query]),
            torch.cat([turned_back[0], turned_back[1] * turns[1].label.double()]),
        )
        return cls(task, mean, Projection.of(mean), both)

    def fitted(self, candidate: Candidate) -> RegressionPredictor:
        """The candidate's learner with the parameters of least loss."""
        learner = candidate.learner(self.task)
        if isinstance(learner, SpectralLearner):
            return learner.fit_projected(self.projection)
        return learner.fit(self.mean_over_turns if candidate.equivariant else self.turned)
