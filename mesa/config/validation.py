"""A validation error in the user's words: the field, the value, the rule, and what they may have meant."""

import difflib
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from pydantic import BaseModel, ValidationError


def explain(error: ValidationError, root: type[Any], prefix: str = "") -> str:
    """One clause for every field that broke a rule, in one line; `root` is the class that was validated."""
    return "; ".join(_clauses(error, root, prefix))


def _clauses(error: ValidationError, root: type[Any], prefix: str) -> Iterator[str]:
    refused: dict[tuple[str, str], list[str]] = {}
    for item in error.errors():
        # Where a field may be of several types, pydantic names each of them as a place of its own, in brackets.
        path = [str(part) for part in item["loc"] if "[" not in str(part)]
        place = ".".join([prefix, *path] if prefix else path)
        if item["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
            known = _names(root, path[:-1])
            near = difflib.get_close_matches(path[-1], known, n=1)
            hint = f" (did you mean {near[0]!r}?)" if near else f"; known: {', '.join(known)}"
            yield f"{place}: unknown key{hint}"
        elif item["type"] == "value_error":
            rule = str(item.get("ctx", {}).get("error", item["msg"]))
            # Our own validators name the field inside the section that they check.
            yield f"{place}.{rule}" if place else rule
        else:
            rule = f"{item['msg'][0].lower()}{item['msg'][1:]}"
            refused.setdefault((place, repr(item["input"])), []).append(rule)
    for (place, value), rules in refused.items():
        yield f"{place}: {value} is refused: {', or '.join(dict.fromkeys(rules))}"


def _names(root: type[Any], path: list[str]) -> list[str]:
    for part in path:
        if not issubclass(root, BaseModel) or part not in root.model_fields:
            return []
        annotation = root.model_fields[part].annotation
        root = annotation if isinstance(annotation, type) else dict
    if is_dataclass(root):
        return [field.name for field in fields(root)]
    return list(root.model_fields) if issubclass(root, BaseModel) else []
