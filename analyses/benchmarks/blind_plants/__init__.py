"""Models for `mesa bench identify` whose author has not read how `identify` decides: true plants and impostors."""

from typing import TYPE_CHECKING

from tasks.lazy import lazily

if TYPE_CHECKING:
    from analyses.benchmarks.blind_plants.all_plants import BLIND_PLANTS
    from analyses.benchmarks.blind_plants.plant import BlindPlant

__all__ = ["BLIND_PLANTS", "BlindPlant"]

_EXPORTS = {
    "BLIND_PLANTS": "analyses.benchmarks.blind_plants.all_plants",
    "BlindPlant": "analyses.benchmarks.blind_plants.plant",
}
__getattr__ = lazily(__name__, _EXPORTS)
