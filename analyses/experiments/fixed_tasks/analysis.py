"""A finite set of training tasks: does the layer learn to learn, or the tasks? ([VO] appendix A.11)"""

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from analyses.claims.analysis import Evidence, Plot, Size, sized
from analyses.claims.claim import Claim, Measure, Source, Verdict
from analyses.claims.measures.regression import loss_gap, loss_ratio
from analyses.claims.tables import Number, single_value
from analyses.experiments.fixed_tasks import figures as task_figures
from analyses.plots import regression as figures
from mesa.config.presets import preset
from mesa.config.schema import RunConfig
from mesa.learners import GradientDescent
from probes.behaviour.gd_alignment import GDAlignment
from probes.plan import Plan
from probes.reading import Reading

PAPER = "von Oswald et al. 2023"
FRESH = "fresh_teachers"
# 8 teachers do not span the 10 dimensions: there the answer must be that the layer does not generalise.
TASKS = (8, 128, 512, 2048, 8192)
ENDLESS = "endless"


class FixedTasks:
    """A linear layer on finite sets of teachers, and a whole block, with an MLP, on the smallest and the largest."""

    name = "fixed-tasks"
    title = "A finite set of training tasks"
    question = (
        "A training task is a teacher; its inputs are drawn afresh for every prompt. From how many tasks on does a "
        "model do on new teachers what gradient descent does, and how much does it gain on those it was trained on?"
    )
    seeds = 3

    def runs(self, size: Size) -> dict[str, RunConfig]:
        """The layer with 8 to 8192 teachers and with fresh ones, the block with 128 and 8192."""
        layer = _with(preset("one-layer"), steps=3000, batch=1024)
        block = _with(preset("one-block"), steps=3000, batch=512)
        found = {ENDLESS: sized(layer, size, steps=5000, batch=2048)}
        found |= {layer_of(count): sized(_of(layer, count), size, steps=5000, batch=2048) for count in TASKS}
        return found | {block_of(n): sized(_of(block, n), size, steps=20_000, batch=2048) for n in (128, 8192)}

    def plans(self, size: Size) -> dict[str, list[Plan]]:
        """Alignment with one step of gradient descent on the trained teachers, and on fresh ones as a control."""
        align = GDAlignment(prompts=500 if size.quick else 10_000, learners=(GradientDescent(),))
        blind = ("untrained", "shuffled_labels")
        plans = {name: [Plan(align, controls=(FRESH, *blind, "constructed"))] for name in self.runs(size)}
        return plans | {ENDLESS: [Plan(align, controls=(*blind, "constructed"))]}

    def compared(self, evidence: Evidence) -> pd.DataFrame:
        """How each model does on fresh teachers beside those it was trained on, in units of gradient descent's loss."""
        rows = []
        for row in ratios(evidence).to_dict("records"):
            place = {name: row[name] for name in ("run", "seed", "control")}
            values = {"fresh": row["fresh"], "advantage": row["fresh"] / row["trained"] - 1}
            rows += [{**place, "probe": "fixed_tasks", "metric": name, "value": x} for name, x in values.items()]
        return Reading.of(rows).table

    def claims(self) -> tuple[Claim, ...]:
        """The four rules, stated before anything is measured."""
        many, few = layer_of(8192), layer_of(128)
        return (
            Claim(
                "enough-tasks",
                "Trained on 8192 tasks, the layer does on new teachers what gradient descent does.",
                f"{PAPER}, appendix A.11 (test loss almost at GD's)",
                "on fresh teachers, loss within 2 % of tuned GD's on the same prompts",
                (Measure("|loss / GD's loss - 1|", "at most", 0.02, loss_gap("gd")),),
                Source(many, FRESH),
                negative={
                    "untrained": Source(many, "untrained"),
                    "shuffled_labels": Source(many, "shuffled_labels"),
                    "eight_tasks": Source(layer_of(8), FRESH),
                },
                positive={"constructed": Source(many, "constructed"), "endless": Source(ENDLESS)},
            ),
            Claim(
                "few-tasks",
                "Trained on 128 tasks, the layer has learnt something about them that new teachers do not share.",
                "our addition: the best preconditioned step for 128 teachers is 2 % better than GD on them, 2 % worse "
                "on others",
                "in units of GD's on the same prompts, loss at least 2 % higher on fresh teachers than on its own, and "
                "there at most 1.02",
                (
                    Measure("fresh / trained - 1", "at least", 0.02, _compared("advantage"), ideal=0.04),
                    Measure("trained: loss / GD's loss", "at most", 1.02, loss_ratio("gd"), ideal=0.98),
                ),
                Source(few),
                negative={"many_tasks": Source(many)},
                positive={"eight_tasks": Source(layer_of(8))},
            ),
            Claim(
                "no-memory",
                "One linear layer cannot memorise 128 tasks: it stays near gradient descent on them, and on others.",
                "our addition: a layer predicts x_q times a fixed matrix times X^T y, too little to store teachers",
                "at most 5 % above tuned GD's loss on fresh teachers, and at most 5 % below it on its own",
                (
                    Measure("fresh: loss / GD's loss", "at most", 1.05, _compared("fresh"), ideal=1.0),
                    Measure("trained: loss / GD's loss", "at least", 0.95, loss_ratio("gd"), ideal=1.0),
                ),
                Source(few),
                negative={"eight_tasks": Source(layer_of(8)), "untrained": Source(few, "untrained")},
                positive={"endless": Source(ENDLESS)},
            ),
            Claim(
                "block",
                "A whole block, attention and MLP, trained on 8192 tasks ends near gradient descent on new teachers.",
                f"{PAPER}, appendix A.11 (the block's test loss ends almost at GD's)",
                "on fresh teachers, loss at most 5 % above tuned GD's",
                (Measure("loss / GD's loss", "at most", 1.05, loss_ratio("gd"), ideal=0.95),),
                Source(block_of(8192), FRESH),
                negative={
                    "untrained": Source(block_of(8192), "untrained"),
                    "shuffled_labels": Source(block_of(8192), "shuffled_labels"),
                },
                positive={"endless": Source(ENDLESS)},
                explaining={"block_few": Source(block_of(128), FRESH)},
            ),
        )

    def plots(self, evidence: Evidence, verdicts: Sequence[Verdict]) -> Iterable[Plot]:
        """Verdicts at a glance, losses over the number of tasks, and training."""
        layers = {layer_of(count): count for count in TASKS}
        blocks = {block_of(count): count for count in (128, 8192)}
        yield figures.scores(verdicts)
        yield task_figures.over_tasks(ratios(evidence), layers, blocks)
        yield task_figures.curves(evidence, [*layers, ENDLESS, *blocks])


def layer_of(count: int) -> str:
    """The name of the run of a layer on so many tasks."""
    return f"tasks-{count}"


def block_of(count: int) -> str:
    """The name of the run of a whole block on so many tasks."""
    return f"block-tasks-{count}"


def ratios(evidence: Evidence) -> pd.DataFrame:
    """Losses in units of tuned GD's on the same prompts: columns run, seed, control, trained and fresh.

    Untrained models, and those of endless teachers, were trained on none: to them all teachers are fresh ones.
    """
    found = []
    for (run, seed), rows in evidence.last.groupby(["run", "seed"]):
        values = {name: loss_ratio("gd")(rows[rows["control"] == name]) for name in ("none", FRESH, "untrained")}
        place = {"run": run, "seed": seed}
        fresh = values["none"] if run == ENDLESS else values[FRESH]
        found.append({**place, "control": "none", "trained": values["none"], "fresh": fresh})
        found.append({**place, "control": "untrained", "trained": values["untrained"], "fresh": values["untrained"]})
    return pd.DataFrame(found, columns=["run", "seed", "control", "trained", "fresh"])


def _compared(metric: str) -> Number:
    return lambda rows: single_value(rows, probe="fixed_tasks", metric=metric)


def _with(config: RunConfig, **training: Any) -> RunConfig:
    return config.model_copy(update={"training": config.training.model_copy(update=training)})


def _of(config: RunConfig, count: int) -> RunConfig:
    return config.model_copy(update={"task": {**config.task, "teachers": count}})
