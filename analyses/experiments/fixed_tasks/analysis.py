"""A finite set of training tasks: does the layer learn to learn, or the tasks? ([VO] appendix A.11)"""

from collections.abc import Iterable, Sequence

import pandas as pd

from analyses.claims.analysis import Evidence, Plot, Size, Verdict, sized, with_training
from analyses.claims.claim import Claim
from analyses.experiments.fixed_tasks import figures as task_figures
from analyses.experiments.fixed_tasks.claims import CLAIMS
from analyses.experiments.fixed_tasks.measures import ENDLESS, FRESH, block_of, layer_of, ratios, task_rows
from analyses.plots import regression as figures
from mesa.config.presets import preset
from mesa.config.schema import RunConfig
from mesa.learners import GradientDescent
from probes.behaviour.gd_alignment import GDAlignment
from probes.plan import Plan

# 8 teachers do not span the 10 dimensions: from them the layer cannot learn to generalise.
TASKS = (8, 128, 512, 2048, 8192)


class FixedTasks:
    """A linear layer on finite sets of teachers, and a whole block, with an MLP, on the smallest and the largest."""

    name = "fixed-tasks"
    title = "A finite set of training tasks"
    question = (
        "A training task is a teacher; inputs are drawn afresh for every prompt. From how many tasks on does a model "
        "do on new teachers what gradient descent does, and how much better is it on those that it was trained on?"
    )
    seeds = 3
    developed_on = 3

    def runs(self, size: Size) -> dict[str, RunConfig]:
        """The layer with 8 to 8192 teachers and with fresh ones, the block with 128 and 8192."""
        layer = with_training(preset("one-layer"), steps=3000, batch=1024)
        block = with_training(preset("one-block"), steps=3000, batch=512)
        configs = {ENDLESS: sized(layer, size, steps=5000, batch=2048)}
        configs |= {layer_of(count): sized(_of(layer, count), size, steps=5000, batch=2048) for count in TASKS}
        return configs | {block_of(n): sized(_of(block, n), size, steps=20_000, batch=2048) for n in (128, 8192)}

    def plans(self, size: Size) -> dict[str, list[Plan]]:
        """Alignment with one step of gradient descent on the trained teachers, and on fresh ones as a control."""
        align = GDAlignment(prompts=500 if size.quick else 10_000, learners=(GradientDescent(),))
        blind = ("untrained", "shuffled_labels")
        plans = {name: [Plan(align, controls=(FRESH, *blind, "constructed"))] for name in self.runs(size)}
        return plans | {ENDLESS: [Plan(align, controls=(*blind, "constructed"))]}

    def compared(self, evidence: Evidence) -> pd.DataFrame:
        """Rows of probe `fixed_tasks`: the loss on fresh teachers compared with that on the trained ones."""
        return task_rows(evidence)

    def claims(self) -> tuple[Claim, ...]:
        """The four rules, stated before anything is measured."""
        return CLAIMS

    def plots(self, evidence: Evidence, verdicts: Sequence[Verdict]) -> Iterable[Plot]:
        """All verdicts, losses over the number of tasks, and training."""
        layers = {layer_of(count): count for count in TASKS}
        blocks = {block_of(count): count for count in (128, 8192)}
        yield figures.scores(verdicts)
        yield task_figures.over_tasks(ratios(evidence), layers, blocks)
        yield task_figures.curves(evidence, [*layers, ENDLESS, *blocks])


def _of(config: RunConfig, count: int) -> RunConfig:
    return config.model_copy(update={"task": {**config.task, "teachers": count}})
