"""True plants and impostors on which `identify` is calibrated; their author had not read how it decides."""

from typing import TYPE_CHECKING

from tasks.lazy import lazily

if TYPE_CHECKING:
    from analyses.benchmarks.calibration_plants.all_plants import CALIBRATION_PLANTS
    from analyses.benchmarks.described_plant import DescribedPlant

__all__ = ["CALIBRATION_PLANTS", "DescribedPlant"]

_EXPORTS = {
    "CALIBRATION_PLANTS": "analyses.benchmarks.calibration_plants.all_plants",
    "DescribedPlant": "analyses.benchmarks.described_plant",
}
__getattr__ = lazily(__name__, _EXPORTS)
