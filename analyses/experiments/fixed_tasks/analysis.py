"""A finite set of training tasks: does the layer learn to learn, or the tasks? ([VO] appendix A.11)"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import pandas as pd

from analyses.claims.analysis import Evidence, Plot, Size, Verdict, sized, with_training
from analyses.claims.claim import Claim
from analyses.experiments.fixed_tasks import figures as task_figures
from analyses.experiments.fixed_tasks.claims import CLAIMS
from analyses.experiments.fixed_tasks.measures import (
    ENDLESS,
    FITTED,
    FITTED_FRESH,
    FRESH,
    block_of,
    block_set_of,
    layer_of,
    ratios,
    set_of,
    task_rows,
    teacher_pool,
)
from analyses.plots import regression as figures
from mesa.config.presets import preset
from mesa.config.schema import RunConfig
from mesa.learners import GradientDescent
from probes.behaviour.gd_alignment import GDAlignment
from probes.plan import Plan

# 8 teachers do not span the 10 dimensions: from them the layer cannot learn to generalise.
TASKS = (8, 128, 512, 2048, 8192)
# The paper's experiment: sets of whole prompts, inputs too, of which a step takes all.
SETS = (128, 512, 2048, 8192)


class FixedTasks:
    """A linear layer on fixed sets of prompts and of teachers, and a whole block, with an MLP, on the largest sets."""

    name = "fixed-tasks"
    title = "A finite set of training tasks"
    question = (
        "A model is trained on a fixed set of prompts, inputs too, as in the paper, or on a fixed set of teachers with "
        "new inputs for every prompt. From how many on does it do on new ones what gradient descent does, and how much "
        "better is it on those that it was trained on?"
    )
    seeds = 3
    developed_on = 3

    def runs(self, size: Size) -> dict[str, RunConfig]:
        """The layer with 8 to 8192 teachers, with fresh ones, and with sets of prompts; the block with the largest.

        On a set of prompts every step takes all of them. The paper does not give its number of steps.
        """
        layer = with_training(preset("one-layer"), steps=3000, batch=1024)
        block = with_training(preset("one-block"), steps=3000, batch=512)
        configs = {ENDLESS: sized(layer, size, steps=5000, batch=2048)}
        configs |= {layer_of(count): sized(_of(layer, count), size, steps=5000, batch=2048) for count in TASKS}
        configs |= {set_of(count): _on_set(layer, count, size, full=5000) for count in SETS}
        configs |= {block_set_of(8192): _on_set(with_training(block, steps=2000), 8192, size, full=20_000)}
        return configs | {block_of(n): sized(_of(block, n), size, steps=20_000, batch=2048) for n in (128, 8192)}

    def plans(self, size: Size) -> dict[str, list[Plan]]:
        """Alignment with one step of gradient descent on the trained teachers, and on fresh ones as a control.

        Where all teachers of a set are known, a rival is the Bayes predictor: the mean of those that fit the context.
        """
        align = GDAlignment(prompts=500 if size.quick else 10_000, learners=(GradientDescent(),))
        negative = ("untrained", "shuffled_labels")
        plans = {name: [Plan(align, controls=(FRESH, *negative, "constructed"))] for name in self.runs(size)}
        fitted = FITTED, FITTED_FRESH
        plans |= {set_of(128): [Plan(align, controls=(FRESH, *negative, "constructed", *fitted))]}
        for name, count in {**{layer_of(count): count for count in TASKS if count <= 2048}, ENDLESS: 128}.items():
            knowing = replace(align, rivals=(teacher_pool(count),))
            controls = (
                (*negative, "constructed", "short_steps") if name == ENDLESS else (FRESH, *negative, "constructed")
            )
            plans[name] = [Plan(knowing, controls=controls)]
        return plans

    def compared(self, evidence: Evidence) -> pd.DataFrame:
        """Rows of probe `fixed_tasks`: the loss on fresh teachers compared with that on the trained ones."""
        return task_rows(evidence)

    def claims(self) -> tuple[Claim, ...]:
        """The seven rules, stated before anything is measured."""
        return CLAIMS

    def plots(self, evidence: Evidence, verdicts: Sequence[Verdict]) -> Iterable[Plot]:
        """All verdicts, losses over the number of tasks, and training."""
        layers = {layer_of(count): count for count in TASKS}
        blocks = {block_of(count): count for count in (128, 8192)}
        yield figures.scores(verdicts)
        sets = {set_of(count): count for count in SETS}
        yield task_figures.over_sets(ratios(evidence), sets)
        yield task_figures.trained_and_tested(evidence, [*sets, block_set_of(8192), block_of(8192)])
        yield task_figures.over_tasks(ratios(evidence), layers, blocks)
        yield task_figures.curves(evidence, [*layers, ENDLESS, *blocks])


def _on_set(config: RunConfig, count: int, size: Size, full: int) -> RunConfig:
    """The run on a fixed set of prompts; a batch is the set, but in a quick run."""
    on_set = config.model_copy(update={"task": {**config.task, "prompts": count}})
    return sized(with_training(on_set, batch=count), size, steps=full)


def _of(config: RunConfig, count: int) -> RunConfig:
    return config.model_copy(update={"task": {**config.task, "teachers": count}})
