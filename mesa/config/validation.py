"""A validation error in the user's words: the field, the value, the rule, and what they may have meant."""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from typing import get_args

from pydantic import BaseModel, ValidationError


def explain(error: ValidationError, root: type, prefix: str = "") -> str:
    """One clause for every field that broke a rule, in one line; `root` is the class that was validated."""
    return "; ".join(_clauses(error, root, prefix))


# What pydantic calls a value that stands where a section should.
_NO_SECTION = ("dict_type", "model_type", "model_attributes_type", "dataclass_type")


def _shown(value: object) -> str:
    return "null" if value is None else repr(value)


@dataclass(frozen=True)
class _Location:
    """Where a rule was broken: the field's dotted name, its last part, and the class that should hold it."""

    name: str
    leaf: str
    owner: type


def _clauses(error: ValidationError, root: type, prefix: str) -> Iterator[str]:
    rules_by_field: dict[tuple[str, str], list[str]] = {}
    for item in error.errors():
        # Where a field may be of several types, pydantic appends each of them to the location, in brackets.
        location = _location([str(key) for key in item["loc"] if "[" not in str(key)], root, prefix)
        if item["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
            known = _names(location.owner)
            near = difflib.get_close_matches(location.leaf, known, n=1)
            hint = f" (did you mean {near[0]!r}?)" if near else f"; known: {', '.join(known)}"
            yield f"{location.name}: unknown key{hint}"
        elif item["type"] == "missing":
            yield f"{location.name}: is not given, and has no default"
        elif item["type"] == "union_tag_invalid":
            context = item.get("ctx", {})
            field = f"{location.name}.{context['discriminator'].strip(chr(39))}"
            yield f"{field}: {context['tag']!r} is refused: must be one of {context['expected_tags']}"
        elif item["type"] == "value_error":
            rule = str(item.get("ctx", {}).get("error", item["msg"]))
            # Our own validators name the field inside the section that they check.
            yield f"{location.name}.{rule}" if location.name else rule
        elif item["type"] in _NO_SECTION:
            rule = "it must be a section, with a field and its value on each line"
            rules_by_field.setdefault((location.name, _shown(item["input"])), []).append(rule)
        else:
            rule = f"{item['msg'][0].lower()}{item['msg'][1:]}"
            rules_by_field.setdefault((location.name, repr(item["input"])), []).append(rule)
    for (name, value), rules in rules_by_field.items():
        yield f"{name}: {value} is refused: {', or '.join(dict.fromkeys(rules))}"


def _location(keys: list[str], root: type, prefix: str) -> _Location:
    """The location without the tags of unions, which pydantic puts behind the name of the field."""
    names, owner, inside = [prefix] if prefix else [], root, root
    remaining = iter(keys)
    for key in remaining:
        names.append(key)
        owner = inside
        if not (issubclass(owner, BaseModel) and key in owner.model_fields):
            inside = dict
            continue
        field = owner.model_fields[key]
        inside = field.annotation if isinstance(field.annotation, type) else dict
        if field.discriminator is not None:
            tag = next(remaining, None)
            kind, members = str(field.discriminator), get_args(field.annotation)
            inside = {member.model_fields[kind].default: member for member in members}.get(tag, dict)
    return _Location(".".join(names), keys[-1] if keys else "", owner)


def _names(owner: type) -> list[str]:
    if is_dataclass(owner):
        return [field.name for field in fields(owner)]
    return list(owner.model_fields) if issubclass(owner, BaseModel) else []
