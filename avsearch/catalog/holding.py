"""The media for which a filter holds; within a transaction.

The database answers all that it can in one statement. Patterns of paths are matched here, over the files below the
folder before the first wildcard, and what they give is joined with the rest as sets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Connection, and_, case, not_, or_, select

from avsearch.catalog.conditions import AllOf, AnyOf, Comparison, Condition, Not
from avsearch.catalog.fields import Field, Operator, Range
from avsearch.catalog.named_files import IS_INDEXED, named_by
from avsearch.catalog.records import Root
from avsearch.catalog.rows import LIVE_MEDIA, read_ids, storable
from avsearch.remote import is_remote
from avsearch.schema import file, label, media

Ids: TypeAlias = NDArray[np.int64]  # ascending, each once
Test: TypeAlias = ColumnElement[bool]

_MEASURED: dict[Field, ColumnElement[Any]] = {
    Field.DURATION: media.c.duration_us,
    Field.WIDTH: media.c.width,
    Field.HEIGHT: media.c.height,
    Field.RESOLUTION: case((media.c.width < media.c.height, media.c.width), else_=media.c.height),
    Field.FPS: media.c.frames_per_second,
}


def read_holding(connection: Connection, condition: Condition, roots: Sequence[Root]) -> Ids:
    """(M,) int64 ascending: the live media for which a condition holds.

    Raises:
        UsageError: a path in it cannot be looked up.
    """
    return _Holding(connection, roots).ids(condition)


class _Holding:
    """One answer, in one transaction; each path is looked up once."""

    def __init__(self, connection: Connection, roots: Sequence[Root]) -> None:
        self._connection = connection
        self._roots = roots
        self._named: dict[str, Test | Mapping[int, int]] = {}

    def ids(self, condition: Condition) -> Ids:
        """The live media for which it holds."""
        test = self._test(condition)
        if test is not None:
            return self._read(test)
        if isinstance(condition, Not):
            return np.setdiff1d(self._live(), self.ids(condition.part), assume_unique=True)
        if isinstance(condition, Comparison):
            return self._matched(condition)
        return self._joined(condition)

    def _joined(self, condition: AllOf | AnyOf) -> Ids:
        """Several parts, of which those that the database can ask are asked as one."""
        tests = [self._test(part) for part in condition.parts]
        asked = [test for test in tests if test is not None]
        sets = [self.ids(part) for part, test in zip(condition.parts, tests, strict=True) if test is None]
        if asked:
            sets.append(self._read(_join(condition, asked)))
        return reduce(np.intersect1d if isinstance(condition, AllOf) else np.union1d, sets)

    def _test(self, condition: Condition) -> Test | None:
        """What a row of `media` meets; None where a pattern of paths is in it."""
        if isinstance(condition, Comparison):
            return self._compared(condition)
        if isinstance(condition, Not):
            inner = self._test(condition.part)
            return None if inner is None else not_(inner)
        tests = [self._test(part) for part in condition.parts]
        asked = [test for test in tests if test is not None]
        return _join(condition, asked) if len(asked) == len(tests) else None

    def _compared(self, comparison: Comparison) -> Test | None:
        if comparison.field is Field.PATH:
            is_named = self._files(comparison.text)
            return None if isinstance(is_named, Mapping) else _has_file(_signed(is_named, comparison))
        if comparison.field is Field.ROOT:
            roots = [root.id for root in self._roots if _is_called(root, comparison.text)]
            return _has_file(_signed(file.c.root_id.in_(roots), comparison))
        return _test_of_media(comparison)

    def _files(self, text: str) -> Test | Mapping[int, int]:
        if text not in self._named:
            self._named[text] = named_by(self._connection, text, self._roots)
        return self._named[text]

    def _matched(self, comparison: Comparison) -> Ids:
        """The media with an indexed file whose path matches, or with one whose path does not."""
        named = self._files(comparison.text)
        assert isinstance(named, Mapping)  # else the database had been asked
        media_ids = list(named.values())
        if comparison.operator is Operator.UNEQUAL:
            rows = self._connection.execute(select(file.c.id, file.c.media_id).where(IS_INDEXED))
            media_ids = [media_id for file_id, media_id in rows if file_id not in named]
        return np.unique(np.asarray(media_ids, np.int64))

    def _read(self, test: Test) -> Ids:
        return read_ids(self._connection, select(media.c.id).where(media.c.id.in_(LIVE_MEDIA), test))

    def _live(self) -> Ids:
        return read_ids(self._connection, LIVE_MEDIA)


def _join(condition: AllOf | AnyOf, tests: Sequence[Test]) -> Test:
    return and_(*tests) if isinstance(condition, AllOf) else or_(*tests)


def _test_of_media(comparison: Comparison) -> Test:
    match comparison.field:
        case Field.LABEL:
            labelled = select(label.c.media_id).where(label.c.label == storable(comparison.text))
            return _signed(media.c.id.in_(labelled), comparison)
        case Field.KIND:
            return _signed(media.c.kind == comparison.value, comparison)
        case Field.SOUND:
            return _signed(media.c.audio_index.is_not(None), comparison)
        case Field.PICTURE:
            return _signed(media.c.video_index.is_not(None), comparison)
        case Field.DATE:
            return _has_file(_within(file.c.mtime_ns, comparison))
    return _within(_MEASURED[comparison.field], comparison)


def _has_file(test: Test) -> Test:
    """Whether a media has an indexed file that meets a test."""
    return media.c.id.in_(select(file.c.media_id).where(IS_INDEXED, test))


def _signed(test: Test, comparison: Comparison) -> Test:
    """The test or its opposite; tests are true or false, never NULL, so that opposites are."""
    wants_it = comparison.value is not False  # of the values, only `no` is
    return test if (comparison.operator is Operator.EQUAL) is wants_it else not_(test)


def _within(column: ColumnElement[Any], comparison: Comparison) -> Test:
    """A column against a range of it; what has no such number meets nothing."""
    value = comparison.value
    assert isinstance(value, Range)  # the field is one of numbers
    low, high = value.low, value.high
    meets: dict[Operator, Test] = {
        Operator.EQUAL: and_(column >= low, column < high),
        Operator.UNEQUAL: or_(column < low, column >= high),
        Operator.LESS: column < low,
        Operator.AT_MOST: column < high,
        Operator.MORE: column >= high,
        Operator.AT_LEAST: column >= low,
    }
    return and_(column.is_not(None), meets[comparison.operator])


def _is_called(root: Root, text: str) -> bool:
    """Whether a text is the path of a root, or its last name."""
    return root.path == Path(text) if text.startswith("/") or is_remote(text) else root.path.name == text
