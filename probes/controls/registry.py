"""The controls by name: what each is about, which subjects it can be made from, and what it is for."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

from tasks.kinds import Prompts
from tasks.registry import Registry, Row

if TYPE_CHECKING:
    from collections.abc import Callable

    from probes.subject import Subject, SubjectT

REGRESSION: tuple[Prompts, ...] = ("regression",)
TOKENS: tuple[Prompts, ...] = ("tokens",)
BOTH: tuple[Prompts, ...] = ("regression", "tokens")

# What a control is for: a probe must tell a negative one from the model and find its known answer on a positive one;
# an explaining one isolates what a number comes from.
Role: TypeAlias = Literal["negative", "positive", "explaining"]


@dataclass(frozen=True, kw_only=True)
class ControlRow(Row):
    """A control: the kinds of subjects it can be made from, its role, and its label in figures.

    Its target is a function that takes a subject and returns the control, or in one line the reason why there is none.
    """

    subjects: tuple[Prompts, ...]
    role: Role
    label: str

    def __call__(self, subject: "SubjectT") -> "SubjectT | str":
        """The control made from a subject, or in one line why there is none."""
        reason = why_not_of_kind(self.subjects, subject)
        return reason if reason is not None else cast("Callable[[SubjectT], SubjectT | str]", self.load())(subject)


def why_not_of_kind(kinds: tuple[Prompts, ...], subject: "Subject") -> str | None:
    """None where a subject is of one of these kinds, else the reason in one line."""
    if subject.kind in kinds:
        return None
    words = {"regression": "models of regression prompts", "tokens": "language models of token sequences"}
    return f"it is for {' and '.join(words[kind] for kind in kinds)}"


CONTROLS = Registry(
    "control",
    ControlRow,
    {
        "untrained": ControlRow(
            target="probes.controls.untrained:untrained",
            about="the same model with the weights that its seed started from",
            subjects=BOTH,
            role="negative",
            label="untrained",
        ),
        "shuffled_labels": ControlRow(
            target="probes.controls.shuffled:shuffled_labels",
            about="the model sees each label at another example, learners see the clean prompt",
            subjects=REGRESSION,
            role="negative",
            label="shuffled labels",
        ),
        "shuffled_labels_both": ControlRow(
            target="probes.controls.shuffled:shuffled_labels_both",
            about="the model and learners see each label at another example",
            subjects=REGRESSION,
            role="explaining",
            label="shuffled labels for both",
        ),
        "constructed": ControlRow(
            target="probes.controls.constructed:constructed",
            about="weights that perform tuned gradient descent exactly, or GD++ in several layers",
            subjects=REGRESSION,
            role="positive",
            label="constructed",
        ),
        "constructed_gd": ControlRow(
            target="probes.controls.constructed:constructed_gd",
            about="weights that perform tuned gradient descent exactly, one step a layer",
            subjects=REGRESSION,
            role="positive",
            label="constructed GD",
        ),
        "constructed_preconditioned": ControlRow(
            target="probes.controls.constructed:constructed_preconditioned",
            about="weights that perform one tuned, preconditioned step exactly",
            subjects=REGRESSION,
            role="positive",
            label="constructed preconditioned step",
        ),
        "constructed_preconditioned_fresh": ControlRow(
            target="probes.controls.fresh_teachers:constructed_preconditioned_fresh",
            about="the preconditioned step that is fitted to a finite training set, on new prompts",
            subjects=REGRESSION,
            role="explaining",
            label="constructed preconditioned step, new prompts",
        ),
        "constructed_single_head": ControlRow(
            target="probes.controls.constructed:constructed_single_head",
            about="weights of one linear head a layer, and nothing else, that perform tuned GD++ exactly",
            subjects=REGRESSION,
            role="positive",
            label="constructed, one head a layer",
        ),
        "constructed_larger_step": ControlRow(
            target="probes.controls.wrong_steps:constructed_larger_step",
            about="the construction with step sizes that are 1.2 times the tuned ones",
            subjects=REGRESSION,
            role="negative",
            label="constructed, larger step",
        ),
        "constructed_uneven_step": ControlRow(
            target="probes.controls.wrong_steps:constructed_uneven_step",
            about="the construction with step sizes per input coordinate that spread by 20 % around the tuned ones",
            subjects=REGRESSION,
            role="negative",
            label="constructed, uneven step",
        ),
        "larger_update": ControlRow(
            target="probes.controls.wrong_steps:larger_update",
            about="the trained model with an attention layer that writes 1.2 times as much",
            subjects=REGRESSION,
            role="negative",
            label="update 1.2 times as large",
        ),
        "applied_twice": ControlRow(
            target="probes.controls.wrong_steps:applied_twice",
            about="the trained model with its only layer applied twice",
            subjects=REGRESSION,
            role="negative",
            label="layer applied twice",
        ),
        "constructed_softmax": ControlRow(
            target="probes.controls.constructed_attention:constructed_softmax",
            about="two softmax heads that perform one gradient step on centred inputs",
            subjects=REGRESSION,
            role="positive",
            label="constructed softmax step",
        ),
        "constructed_softmax_shared": ControlRow(
            target="probes.controls.constructed_attention:constructed_softmax_shared",
            about="the same two softmax heads with entries off the diagonal that cancel in their sum",
            subjects=REGRESSION,
            role="positive",
            label="constructed, cancelling off the diagonal",
        ),
        "constructed_softmax_skewed": ControlRow(
            target="probes.controls.constructed_attention:constructed_softmax_skewed",
            about="the same two softmax heads with entries off the diagonal that add up in their sum",
            subjects=REGRESSION,
            role="negative",
            label="constructed, adding up off the diagonal",
        ),
        "constructed_interleaved": ControlRow(
            target="probes.controls.constructed_attention:constructed_interleaved",
            about="weights that copy labels between neighbouring tokens and then perform one gradient step",
            subjects=REGRESSION,
            role="positive",
            label="constructed copy and step",
        ),
        "constructed_normed": ControlRow(
            target="probes.controls.constructed_attention:constructed_normed",
            about="gradient steps' weights behind the model's own norm",
            subjects=REGRESSION,
            role="positive",
            label="constructed behind the norm",
        ),
        "turned_queries": ControlRow(
            target="probes.controls.near_misses:turned_queries",
            about="the model sees every query turned by 60 degrees, learners see it as it is",
            subjects=REGRESSION,
            role="negative",
            label="turned queries",
        ),
        "mismatched_heads": ControlRow(
            target="probes.controls.near_misses:mismatched_heads",
            about="the model's heads, each with the input coordinates in another order",
            subjects=REGRESSION,
            role="negative",
            label="mismatched heads",
        ),
        "one_step_fewer": ControlRow(
            target="probes.controls.other_algorithms:one_step_fewer",
            about="tuned GD++ with one step less than the model has layers",
            subjects=REGRESSION,
            role="negative",
            label="GD++, one step fewer",
        ),
        "as_many_gd_steps": ControlRow(
            target="probes.controls.other_algorithms:as_many_gd_steps",
            about="tuned gradient descent with as many steps as the model has layers",
            subjects=REGRESSION,
            role="negative",
            label="as many GD steps",
        ),
        "gd_steps_of_own_size": ControlRow(
            target="probes.controls.other_algorithms:gd_steps_of_own_size",
            about="tuned gradient descent with as many steps as the model has layers, each with a size of its own",
            subjects=REGRESSION,
            role="negative",
            label="GD steps of own size",
        ),
        "short_steps": ControlRow(
            target="probes.controls.other_algorithms:short_steps",
            about="as many steps of gradient descent, each 0.7 of the tuned size",
            subjects=REGRESSION,
            role="negative",
            label="short GD steps",
        ),
        "newton_of_equal_loss": ControlRow(
            target="probes.controls.other_algorithms:newton_of_equal_loss",
            about="Newton's iteration with the number of steps whose loss is nearest to the model's",
            subjects=REGRESSION,
            role="negative",
            label="Newton of equal loss",
        ),
        "constructed_small_gamma": ControlRow(
            target="probes.controls.near_misses:constructed_small_gamma",
            about="weights that perform tuned GD++ with 0.6 of its curvature correction",
            subjects=REGRESSION,
            role="negative",
            label="constructed with a small gamma",
        ),
        "constructed_uneven_gamma": ControlRow(
            target="probes.controls.near_misses:constructed_uneven_gamma",
            about="weights of tuned GD++ with a curvature correction that differs between coordinates",
            subjects=REGRESSION,
            role="negative",
            label="constructed with uneven gammas",
        ),
        "constructed_undercorrected": ControlRow(
            target="probes.controls.constructed_attention:constructed_undercorrected",
            about="weights that copy labels, and whose step still takes label tokens for inputs in part",
            subjects=REGRESSION,
            role="negative",
            label="constructed copy, undercorrected step",
        ),
        "random_split": ControlRow(
            target="probes.controls.split_steps:random_split",
            about="one gradient step of which each linear head does a random share",
            subjects=REGRESSION,
            role="explaining",
            label="step split at random",
        ),
        "uneven_split": ControlRow(
            target="probes.controls.split_steps:uneven_split",
            about="one gradient step of which one linear head does 95 % and another 5 %",
            subjects=REGRESSION,
            role="negative",
            label="step split unevenly",
        ),
        "opposed_split": ControlRow(
            target="probes.controls.split_steps:opposed_split",
            about="one gradient step as two steps by one linear head, of which another takes one back",
            subjects=REGRESSION,
            role="negative",
            label="step of opposed heads",
        ),
        "reversed_positions": ControlRow(
            target="probes.controls.shuffled:reversed_positions",
            about="the model sees the positions of the context's tokens in reverse order",
            subjects=REGRESSION,
            role="negative",
            label="reversed positions",
        ),
        "fresh_teachers": ControlRow(
            target="probes.controls.fresh_teachers:fresh_teachers",
            about="the same model on prompts of new teachers",
            subjects=REGRESSION,
            role="explaining",
            label="fresh teachers",
        ),
        "identified_only": ControlRow(
            target="probes.controls.constructed:identified_only",
            about="the model with every weight product that the loss cannot see set to zero",
            subjects=REGRESSION,
            role="explaining",
            label="identified weights only",
        ),
        "sine_fit": ControlRow(
            target="probes.controls.reference_models:sine_fit",
            about="the least-squares sine through the context: the right answer without gradient descent",
            subjects=REGRESSION,
            role="negative",
            label="sine fit",
        ),
        "best_predictor": ControlRow(
            target="probes.controls.reference_models:best_predictor",
            about="the best predictor of the task in the model's place",
            subjects=TOKENS,
            role="positive",
            label="best predictor",
        ),
        "shuffled_tokens": ControlRow(
            target="probes.controls.shuffled:shuffled_tokens",
            about="the model sees the inner tokens in another order, learners see the clean prompt",
            subjects=TOKENS,
            role="negative",
            label="shuffled tokens",
        ),
        "constructed_induction": ControlRow(
            target="probes.controls.constructed_heads:constructed_induction",
            about="a previous-token head and an induction head with weights set by hand",
            subjects=TOKENS,
            role="positive",
            label="constructed induction",
        ),
        "constructed_pair_step": ControlRow(
            target="probes.controls.constructed_heads:constructed_pair_step",
            about="a previous-token head and a linear head that perform one gradient step on the pairs",
            subjects=TOKENS,
            role="positive",
            label="constructed pair step",
        ),
    },
)
