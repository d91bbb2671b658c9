"""The two kinds of prompts, which tell tasks, readers, models and probes apart."""

from typing import Literal, TypeAlias

Prompts: TypeAlias = Literal["regression", "tokens"]
