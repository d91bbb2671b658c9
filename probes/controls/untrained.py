"""The same model before training."""

import copy
from dataclasses import replace

from transformer_lens.model_bridge import TransformerBridge

from mesa.models.in_context import InContextTransformer
from mesa.models.language import TokenTransformer
from probes.pretrained import untrained_twin
from probes.subject import SubjectT


def untrained(subject: SubjectT) -> SubjectT | str:
    """The same model with the weights that its seed started from (negative)."""
    model = subject.model
    if isinstance(model, TransformerBridge):
        return replace(subject, model=untrained_twin(model, subject.seed), step=0, control="untrained")
    if not isinstance(model, InContextTransformer | TokenTransformer):
        return "this model cannot be initialised afresh: give its step-0 weights as a subject of their own"
    twin = copy.deepcopy(model)
    # The weights are a function of the seed, so this is the step-0 checkpoint of a run.
    twin.initialise(subject.seed)
    return replace(subject, model=twin, step=0, control="untrained")
