"""The fields of a filter: how each may be compared, and what its values mean."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias

from avsearch.moments import SECOND_US, MediaKind
from avsearch.remote import is_remote


class Field(StrEnum):
    """What a media can be chosen by."""

    PATH = "path"
    ROOT = "root"
    LABEL = "label"
    KIND = "kind"
    DURATION = "duration"
    DATE = "date"
    WIDTH = "width"
    HEIGHT = "height"
    RESOLUTION = "resolution"
    FPS = "fps"
    SOUND = "sound"
    PICTURE = "picture"


class Operator(StrEnum):
    """How a field is compared."""

    EQUAL = "="
    UNEQUAL = "!="
    LESS = "<"
    AT_MOST = "<="
    MORE = ">"
    AT_LEAST = ">="


@dataclass(frozen=True)
class Range:
    """What a number or a date stands for: all from `low` on and below `high`.

    A day is a day long and `fps=29.97` is also 30000/1001: equal is what lies within, less is what lies before.
    """

    low: float
    high: float


Value: TypeAlias = str | bool | MediaKind | Range

EQUALITY = (Operator.EQUAL, Operator.UNEQUAL)
ORDER = tuple(Operator)
ANYWHERE = "**/"
FPS_STEP = 0.005

_MAX_NAME_BYTES = 255  # of one folder or file, on every file system that Linux mounts
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US_NS = 1000
_LONGEST_NS = 2**63 - 1  # dates beyond 1677 to 2262 cannot be those of a file
_UNIT_S = {"": 1, "s": 1, "m": 60, "h": 3600}
_NAMED_SIDES = {"2k": 1440, "4k": 2160, "8k": 4320}

_NUMBER = re.compile(r"\d{1,9}(?:\.\d{1,6})?", re.ASCII)
_WHOLE = re.compile(r"\d{1,9}", re.ASCII)
_LENGTH = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)([smh]?)", re.ASCII | re.IGNORECASE)
_CLOCK = re.compile(r"(?:(\d{1,4}):)?(\d{1,2}):([0-5]\d(?:\.\d{1,6})?)", re.ASCII)
_DATE = re.compile(
    r"\d{4}-\d\d-\d\d(?P<minute>[T ]\d\d:\d\d(?P<second>:\d\d(?P<part>\.\d{1,6})?)?(?:Z|[+-]\d\d:\d\d)?)?",
    re.ASCII | re.IGNORECASE,
)


def operators_of(field: Field) -> tuple[Operator, ...]:
    """How a field may be compared."""
    return _MEANINGS[field].operators


def read_value(field: Field, text: str) -> Value:
    """What a text means as the value of a field: durations in microseconds, dates in nanoseconds since 1970.

    Raises:
        ValueError: nothing; the message says what is wanted instead.
    """
    return _MEANINGS[field].read(text)


def _path(text: str) -> str:
    if not text.startswith(("/", ANYWHERE)) and not is_remote(text):
        raise ValueError("a path begins with / or with **/, or as s3://")
    try:
        names = os.fsencode(text).split(b"/")
    except UnicodeEncodeError as error:
        raise ValueError("a path holds no half characters") from error
    if any(b"\0" in name or len(name) > _MAX_NAME_BYTES for name in names):
        raise ValueError(f"a name in a path has at most {_MAX_NAME_BYTES} bytes and no NUL")
    return text


def _text(text: str) -> str:
    if not text:
        raise ValueError("a text has at least one character")
    return text


def _kind(text: str) -> MediaKind:
    try:
        return MediaKind(text.lower())
    except ValueError as error:
        raise ValueError("a kind is video, sound or picture") from error


def _is_yes(text: str) -> bool:
    if text.lower() not in {"yes", "no"}:
        raise ValueError("the answer is yes or no")
    return text.lower() == "yes"


def _duration_us(text: str) -> Range:
    if found := _LENGTH.fullmatch(text):
        seconds = Decimal(found[1]) * _UNIT_S[found[2].lower()]
    elif (found := _CLOCK.fullmatch(text)) and (not found[1] or int(found[2]) < 60):
        seconds = 3600 * int(found[1] or 0) + 60 * int(found[2]) + Decimal(found[3])
    else:
        raise ValueError("a duration is written 10, 1.5, 90s, 5m, 2h, 1:30 or 1:30:00")
    length_us = int(seconds * SECOND_US)
    return Range(length_us, length_us + 1)


def _pixels(text: str) -> Range:
    if not _WHOLE.fullmatch(text):
        raise ValueError("it is a whole number of pixels")
    return Range(int(text), int(text) + 1)


def _short_side(text: str) -> Range:
    name = text.lower()
    try:
        return _pixels(str(_NAMED_SIDES.get(name, name.removesuffix("p"))))
    except ValueError as error:
        raise ValueError(
            "a resolution is written 480p, 720p, 1080p, 4k, or as the pixels of the short side"
        ) from error


def _rate(text: str) -> Range:
    if not _NUMBER.fullmatch(text):
        raise ValueError("it is a number of frames in a second")
    return Range(float(text) - FPS_STEP, float(text) + FPS_STEP)


def _date_ns(text: str) -> Range:
    """The day, the minute, the second or the microsecond that is named; UTC where it does not say otherwise."""
    found = _DATE.fullmatch(text)
    try:
        start = datetime.fromisoformat(text.upper()) if found else None
    except ValueError:
        start = None
    if found is None or start is None:
        raise ValueError("a date is written 2024-05-01, 2024-05-01T10:30 or 2024-05-01T10:30:00+02:00")
    start = start if start.tzinfo else start.replace(tzinfo=UTC)
    start_us = (start - _EPOCH) // timedelta(microseconds=1)
    return Range(_within_file_times(start_us), _within_file_times(start_us + _named_us(found)))


def _named_us(date: re.Match[str]) -> int:
    if date["part"]:
        return 1
    if date["second"]:
        return SECOND_US
    return 60 * SECOND_US if date["minute"] else 86_400 * SECOND_US


def _within_file_times(time_us: int) -> int:
    return max(-_LONGEST_NS, min(time_us * _US_NS, _LONGEST_NS))


@dataclass(frozen=True)
class _Meaning:
    operators: tuple[Operator, ...]
    read: Callable[[str], Value]


_MEANINGS = {
    Field.PATH: _Meaning(EQUALITY, _path),
    Field.ROOT: _Meaning(EQUALITY, _text),
    Field.LABEL: _Meaning(EQUALITY, _text),
    Field.KIND: _Meaning(EQUALITY, _kind),
    Field.DURATION: _Meaning(ORDER, _duration_us),
    Field.DATE: _Meaning(ORDER, _date_ns),
    Field.WIDTH: _Meaning(ORDER, _pixels),
    Field.HEIGHT: _Meaning(ORDER, _pixels),
    Field.RESOLUTION: _Meaning(ORDER, _short_side),
    Field.FPS: _Meaning(ORDER, _rate),
    Field.SOUND: _Meaning(EQUALITY, _is_yes),
    Field.PICTURE: _Meaning(EQUALITY, _is_yes),
}
