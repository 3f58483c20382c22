"""One thing that was looked at, and how it stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """How a thing stands: as it should, lacking something that one can do without, or in the way."""

    OK = "ok"
    OPTIONAL = "optional"
    BROKEN = "broken"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: of the thing.
        state: how it stands.
        found: what was found, in a line.
        to_do: what to do, a command where there is one; empty where nothing is needed.
        details: the same for programs, as JSON.
    """

    name: str
    state: State
    found: str
    to_do: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.state is not State.OK and not self.to_do:
            raise ValueError(f"{self.name}: whoever is told of a fault is told what to do")


@dataclass(frozen=True)
class Diagnosis:
    """Everything that was looked at."""

    checks: Sequence[Check]

    @property
    def works(self) -> bool:
        """Whether nothing that is needed is missing."""
        return all(it.state is not State.BROKEN for it in self.checks)

    def record(self) -> dict[str, Any]:
        """As JSON."""
        return {"works": self.works, "checks": [asdict(it) for it in self.checks]}
