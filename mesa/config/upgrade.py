"""Configurations that earlier versions wrote, in the words of this one.

Version 0.1.0 called two readers otherwise, wrote no kind of model (every model had the fields of both kinds), and had
two ways to compute the loss.
"""

from collections.abc import Mapping

_READERS = {"symbols": "next_token", "neighbouring": "interleaved"}
# What 0.1.0 wrote for a language model in the fields that only an in-context model has now.
_ONLY_IN_CONTEXT = {"attention": "trained", "causal": True, "input_mlp": None, "clip": None}


def upgraded(settings: Mapping[str, object]) -> dict[str, object]:
    """The same settings by the names of this version; settings of this version are returned as they are.

    >>> old = {"reader": "symbols", "model": {"d_model": 8, "causal": True, "clip": None}}
    >>> upgraded(old)
    {'reader': 'next_token', 'model': {'kind': 'language', 'd_model': 8}}
    """
    new = dict(settings)
    reader = new.get("reader")
    if isinstance(reader, str):
        new["reader"] = _READERS.get(reader, reader)
    model = new.get("model")
    if isinstance(model, dict) and "kind" not in model and new.get("reader") == "next_token":
        # A value that is no language model's stays, and is then refused by its name.
        fields = {name: value for name, value in model.items() if _ONLY_IN_CONTEXT.get(name, _UNSET) != value}
        new["model"] = {"kind": "language", **fields}
    training = new.get("training")
    if isinstance(training, dict) and isinstance(training.get("fast"), bool):
        new["training"] = {**training, "fast": "auto" if training["fast"] else "plain"}
    return new


_UNSET = object()
