"""A frame and a second of sound -> where in the frame the sound comes from."""

from avsearch.localize.drawing import blended, overlay_png
from avsearch.localize.heat import HEARD, HeatMap, heat_map, heat_maps, heat_of, peak, probabilities
from avsearch.localize.localizer import (
    LOCALIZER_HINT,
    PLACE_PX,
    Localizer,
    load_localizer,
    localizer_of,
    require_localizer,
)

__all__ = [
    "HEARD",
    "LOCALIZER_HINT",
    "PLACE_PX",
    "HeatMap",
    "Localizer",
    "blended",
    "heat_map",
    "heat_maps",
    "heat_of",
    "load_localizer",
    "localizer_of",
    "overlay_png",
    "peak",
    "probabilities",
    "require_localizer",
]
