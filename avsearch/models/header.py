"""What a weights file says about itself. Needs NumPy alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from avsearch.front_end import FrontEnd
from avsearch.moments import Modality


@dataclass(frozen=True)
class Part:
    """One of the networks that a weights file joins.

    Attributes:
        name: what the names of its tensors begin with, before a dot.
        architecture: the network.
        widths: channels of the four blocks of its towers.
        dim: length of its own vectors.
    """

    name: str
    architecture: str
    widths: tuple[int, ...]
    dim: int


@dataclass(frozen=True)
class WeightsHeader:
    """What a weights file says about itself.

    Attributes:
        architecture: the network, as in `ave`.
        widths: channels of the four blocks of its towers.
        size: `small` or `paper`.
        dim: length of its vectors.
        modalities: what it can encode.
        num_frames: frames around a moment that it needs, as its front end has it.
        front_end: the tensors that it asks for.
        recipe: every setting of the training run.
        provenance: what it was trained on, with which command and versions, and what it reached.
        fingerprint: 32 hexadecimal digits over tensors, architecture and front end; empty until saved.
        parts: the networks that it joins, if it does (architecture `cca`).
    """

    architecture: str
    widths: tuple[int, ...]
    size: str
    dim: int
    modalities: tuple[Modality, ...]
    num_frames: int
    front_end: FrontEnd
    recipe: Mapping[str, Any]
    provenance: Mapping[str, Any] = field(default_factory=dict)
    fingerprint: str = ""
    parts: tuple[Part, ...] = ()

    def __post_init__(self) -> None:
        if self.num_frames != self.front_end.num_frames:
            raise ValueError(f"{self.num_frames} frames are not the {self.front_end.num_frames} of the front end")

    @property
    def recipe_name(self) -> str:
        return str(self.recipe.get("name", "unknown"))
