"""What a filter asks for, as a tree of frozen values; the text of one can be read again and means the same."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from avsearch.catalog.fields import Field, Operator, Value, operators_of, read_value

_BARE = re.compile(r"[^\s'\"()=<>!]+")  # needs no quotes


@dataclass(frozen=True)
class Comparison:
    """A field, how it is compared, and the text of what with.

    Raises:
        ValueError: the field is not compared so, or the text is no value of it; the message says what would be.
    """

    field: Field
    operator: Operator
    text: str

    def __post_init__(self) -> None:
        if self.operator not in operators_of(self.field):
            raise ValueError(f"{self.field} is compared with = and != only")
        read_value(self.field, self.text)

    @cached_property
    def value(self) -> Value:
        """What the text means."""
        return read_value(self.field, self.text)

    def __str__(self) -> str:
        return f"{self.field}{self.operator}{_quoted(self.text)}"


@dataclass(frozen=True)
class Not:
    """What its part does not hold for."""

    part: Condition

    def __str__(self) -> str:
        return f"not {_enclosed(self.part)}"


@dataclass(frozen=True)
class AllOf:
    """What every part holds for; at least two parts."""

    parts: tuple[Condition, ...]

    def __post_init__(self) -> None:
        _require_several(self.parts)

    def __str__(self) -> str:
        return " and ".join(map(_enclosed, self.parts))


@dataclass(frozen=True)
class AnyOf:
    """What some part holds for; at least two parts."""

    parts: tuple[Condition, ...]

    def __post_init__(self) -> None:
        _require_several(self.parts)

    def __str__(self) -> str:
        return " or ".join(str(part) if isinstance(part, AllOf) else _enclosed(part) for part in self.parts)


Condition: TypeAlias = Comparison | Not | AllOf | AnyOf


def _require_several(parts: tuple[Condition, ...]) -> None:
    if len(parts) < 2:
        raise ValueError("what joins conditions has at least two of them")


def _enclosed(condition: Condition) -> str:
    return f"({condition})" if isinstance(condition, AllOf | AnyOf) else str(condition)


def _quoted(text: str) -> str:
    return text if _BARE.fullmatch(text) else "'" + text.replace("'", "''") + "'"
