"""What a model is called with: all that a reader encodes, or the values alone."""

from torch import Tensor, nn

from tasks.readers.reader import Inputs


class TakesInputs:
    """A model whose forward pass takes `Inputs`: it knows which positions are queries, which are never keys."""


def argument_of(model: nn.Module, inputs: Inputs) -> Inputs | Tensor:
    """What this model is called with: the inputs whole where it takes them, else their values."""
    return inputs if isinstance(model, TakesInputs) else inputs.values
