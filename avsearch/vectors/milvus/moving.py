"""Make a collection equal to the segments: what is missing is written, what is surplus is deleted, all is counted.

It can be cut off at any instant. The record never says more than the collection holds: it is made less before
anything is deleted, and more only after what it says is on the server's disk.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from avsearch.errors import EngineError
from avsearch.moments import Progress
from avsearch.vectors.milvus.holdings import GONE, Holdings
from avsearch.vectors.milvus.record import Copied
from avsearch.vectors.milvus.server import Server, moment_id
from avsearch.vectors.segments import Rows

NUM_NAMED = 3  # ids of what is missing
CHECKPOINT_S = 20.0  # after which the record is written
_BATCH_BYTES = 8 << 20  # of vectors in one call
_BATCH_ROWS = 10_000
_COMPARED_ROWS = 100_000  # at a time


@dataclass(frozen=True)
class Difference:
    """What is not the same in a collection and in the segments; ids as `media:start_us`.

    Attributes:
        num_compared: moments that should be there.
        num_missing: how many of them are not.
        missing: the first of these.
        lacking: the media of all of them.
        surplus: ids that should not be there, all of them.
    """

    num_compared: int
    num_missing: int
    missing: tuple[str, ...]
    lacking: frozenset[int]
    surplus: tuple[str, ...]


@dataclass(frozen=True)
class Moved:
    """What was done to a collection; numbers of rows."""

    num_rows: int
    num_written: int
    num_deleted: int


def compare(
    server: Server,
    collection: str,
    holdings: Holdings,
    is_held: NDArray[np.bool_],
    tolerated: NDArray[np.int64],
    *,
    progress: Progress,
) -> Difference:
    """Compare all ids of a collection with the moments of the segments, some media at a time.

    Args:
        server: holds the collection.
        collection: its name.
        holdings: the media that are searched.
        is_held: (M,) bool, which of them should be in the collection.
        tolerated: (T,) int64 ascending, other media of which rows may be there or not.
        progress: told of moments that were compared.
    """
    num_compared = int(holdings.num_rows[is_held].sum())
    progress.stage("compare", num_compared, "moment")
    others = set(tolerated.tolist())
    num_missing, lacking = 0, set[int]()
    first_missing: list[str] = []
    surplus: list[str] = []
    for places, first, last in _ranges(holdings):
        expected = {it for place in places[is_held[places]].tolist() for it in _ids(holdings.rows_of(place))}
        found = server.ids(collection, first, last)
        missing = sorted(expected - found)
        num_missing += len(missing)
        first_missing += missing[: NUM_NAMED - len(first_missing)]
        lacking.update(map(_media_of, missing))
        surplus += sorted(it for it in found - expected if _media_of(it) not in others)
        progress.advance(len(expected))
    return Difference(num_compared, num_missing, tuple(first_missing), frozenset(lacking), tuple(surplus))


def make_equal(
    server: Server,
    holdings: Holdings,
    copied: Copied,
    names: tuple[str, ...],
    *,
    save: Callable[[Copied], None],
    progress: Progress,
) -> Moved:
    """Write and delete rows of a collection until it holds each moment of the segments once, and nothing else.

    Args:
        server: holds the collection, which is there.
        holdings: what it is to hold.
        copied: what it holds already, as far as that is known.
        names: of the segments.
        save: writes the record.
        progress: told of what is compared and copied.

    Raises:
        EngineError: the server does not answer or refuses; what was saved stays true.
    """
    is_held = copied.held(holdings, names)
    stale = np.setdiff1d(copied.media_id, holdings.media_id[is_held])
    num_before = server.count(copied.collection)
    copied = copied.only(holdings.media_id[is_held])
    save(copied)
    server.delete_media(copied.collection, stale)
    waiting = holdings.media_id[~is_held]
    difference = compare(server, copied.collection, holdings, is_held, waiting, progress=progress)
    copied = _without_lacking(copied, difference)
    save(copied)
    server.delete(copied.collection, difference.surplus)
    num_kept = server.count(copied.collection)
    places = np.flatnonzero(~np.isin(holdings.media_id, copied.media_id))
    copied = _write(server, holdings, copied, places, save=save, progress=progress)
    _require_all(server, copied)
    save(replace(copied, segments=frozenset(names)))
    return Moved(copied.total_rows, int(holdings.num_rows[places].sum()), max(num_before - num_kept, 0))


def _without_lacking(copied: Copied, difference: Difference) -> Copied:
    """What the collection holds of it as a whole."""
    if not difference.lacking:
        return copied
    lacking = np.array(sorted(difference.lacking), np.int64)
    return copied.only(np.setdiff1d(copied.media_id, lacking))


def _write(
    server: Server,
    holdings: Holdings,
    copied: Copied,
    places: NDArray[np.int64],
    *,
    save: Callable[[Copied], None],
    progress: Progress,
) -> Copied:
    """Write the rows of some media; the record grows now and then, after the server has them on its disk."""
    progress.stage("copy", int(holdings.num_rows[places].sum()), "moment")
    saved_at, unsaved = time.monotonic(), 0
    batch_rows = max(1, min(_BATCH_ROWS, _BATCH_BYTES // (4 * _dim(holdings))))
    groups = _groups(holdings, places, batch_rows)
    for at, group in enumerate(groups, start=1):
        rows = holdings.rows_at(holdings.rows_in(group))
        for first in range(0, len(rows), batch_rows):
            some = rows.take(slice(first, first + batch_rows))
            server.upsert(copied.collection, some)
            progress.advance(len(some))
        if at == len(groups) or time.monotonic() - saved_at > CHECKPOINT_S:
            server.flush(copied.collection)
            copied = copied.with_media(holdings, np.concatenate(groups[unsaved:at]))
            save(copied)
            saved_at, unsaved = time.monotonic(), at
    return copied


def _groups(holdings: Holdings, places: NDArray[np.int64], most_rows: int) -> list[NDArray[np.int64]]:
    """Neighbours together, of about so many rows."""
    total = np.cumsum(holdings.num_rows[places])
    return [it for it in np.split(places, np.flatnonzero(np.diff(total // most_rows)) + 1) if it.size]


def _ranges(holdings: Holdings) -> Iterator[tuple[NDArray[np.int64], int | None, int | None]]:
    """Places of media, and the range of media ids that they lie in; the ranges are all that there are."""
    places = np.arange(len(holdings))
    groups = _groups(holdings, places, _COMPARED_ROWS) or [places]
    first: int | None = None
    for at, places in enumerate(groups, start=1):
        last = int(holdings.media_id[groups[at][0]]) if at < len(groups) else None
        yield places, first, last
        first = last


def _ids(rows: Rows) -> Sequence[str]:
    pairs = zip(rows.media_id.tolist(), rows.start_us.tolist(), strict=True)
    return [moment_id(media_id, start_us) for media_id, start_us in pairs]


def _media_of(name: str) -> int:
    """The media of an id; `GONE` for what avsearch has not written."""
    media_id = name.partition(":")[0]
    return int(media_id) if media_id.isascii() and media_id.isdecimal() else GONE


def _dim(holdings: Holdings) -> int:
    return holdings.segments[0].dim if holdings.segments else 1


def _require_all(server: Server, copied: Copied) -> None:
    count = server.count(copied.collection)
    if count != copied.total_rows:
        raise EngineError(
            f"{server.uri}: {copied.collection} holds {count} moments instead of {copied.total_rows}.",
            hint="Run the same command again; somebody else may have changed it meanwhile.",
        )
