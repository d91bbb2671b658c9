"""Further models for `mesa bench identify`, written for reporting by an author who has not read how it decides.

Kinds are named as in `mesa.registry`; besides them there is teacher_pool, whose teachers are the task's.
"""

from typing import TYPE_CHECKING

from tasks.lazy import lazily

if TYPE_CHECKING:
    from analyses.benchmarks.fresh_plants.all_plants import FRESH_PLANTS

__all__ = ["FRESH_PLANTS"]

_EXPORTS = {"FRESH_PLANTS": "analyses.benchmarks.fresh_plants.all_plants"}
__getattr__ = lazily(__name__, _EXPORTS)
