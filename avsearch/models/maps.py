"""Which networks say where in a picture a sound comes from. Needs NumPy alone."""

from __future__ import annotations

from pathlib import Path

from avsearch.errors import WeightsError
from avsearch.models.header import WeightsHeader
from avsearch.models.weights import read_usable_header

LOCALIZING = {"avol": "avol", "avol-attention": "avol-attention", "avol-cosine": "avol-nce"}
"""The architectures that have a map, and the recipe that trains each."""


def read_localizer_header(path: Path) -> WeightsHeader:
    """Read the header of a weights file whose network has a map.

    Raises:
        WeightsError: the file cannot be used, or its network has no map.
    """
    header = read_usable_header(path)
    if header.architecture not in LOCALIZING:
        raise WeightsError(
            f"{path}: {header.architecture} cannot say where in a picture a sound comes from.",
            hint=f"Train one with --recipe and one of {', '.join(LOCALIZING.values())}.",
        )
    return header
