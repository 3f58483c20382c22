"""The kinds of sounding objects in the demo; each belongs to a family, so that relevance can be graded."""

from __future__ import annotations

FAMILY_OF = {
    "bell": "percussion",
    "drum": "percussion",
    "guitar": "melody",
    "flute": "melody",
    "dog": "animal",
    "bird": "animal",
    "clock": "machine",
    "car": "machine",
    "siren": "signal",
    "telephone": "signal",
    "rain": "nature",
    "fire": "nature",
}
KINDS = tuple(FAMILY_OF)
