"""The moments of two media laid over each other in time; pure."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from avsearch.moments import SECOND_US, Modality
from avsearch.vectors.ranges import ranges_of_media
from avsearch.vectors.segments import Rows, merge_rows, rows_at

STEP_US = SECOND_US // 2
MOST_STEPS = 20  # to either side
MOST_SHIFT = 0.2  # of the length
MOST_MOMENTS = 64  # of a media, evenly spread, for which the moment shown at the same time is looked up
ENOUGH = 0.7  # of these must have one
TOLERANCE_US = {Modality.IMAGE: SECOND_US, Modality.AUDIO: SECOND_US // 2}  # keyframes lie up to 2 s apart
SMALLEST_SPREAD = 0.25  # where a library holds hardly more than the copies themselves
_SPREAD_ROWS = 256


def tracks_of(segments: Sequence[Rows], media_ids: NDArray[np.int64]) -> dict[int, Rows]:
    """Media ids -> the rows of that media in order of time; views, unless they lie in several segments.

    Args:
        segments: of one modality, each sorted by media and time.
        media_ids: (M,) int64 ascending.
    """
    found: dict[int, list[Rows]] = {}
    for segment in segments:
        if len(segment):
            ranges = ranges_of_media(segment.media_id, media_ids)
            for first, last in zip(ranges.first.tolist(), ranges.last.tolist(), strict=True):
                found.setdefault(int(segment.media_id[first]), []).append(segment.take(slice(first, last)))
    return {
        media_id: some[0] if len(some) == 1 else merge_rows(some, np.array([media_id]))
        for media_id, some in found.items()
    }


def spread_of(segments: Sequence[Rows]) -> float:
    """The mean distance, 1 - cosine, of any two moments, estimated from rows evenly spread over all."""
    num_rows = sum(map(len, segments))
    row = np.unique(np.linspace(0, max(num_rows - 1, 0), _SPREAD_ROWS).astype(np.int64))
    if num_rows < 2:
        return SMALLEST_SPREAD
    vector = rows_at(segments, row).vector.astype(np.float64)
    total = float(np.square(vector.sum(axis=0)).sum() - np.square(vector).sum())
    return max(1 - total / (len(row) * (len(row) - 1)), SMALLEST_SPREAD)


def evenly(rows: Rows, count: int) -> Rows:
    """At most `count` of some rows, evenly spread, the first and the last among them."""
    return rows if len(rows) <= count else rows.take(even_places(len(rows), count))


@lru_cache(1024)
def even_places(num_rows: int, count: int) -> NDArray[np.int64]:
    """(min(count, num_rows),) int64 of the rows that `evenly` takes."""
    places = np.linspace(0, num_rows - 1, min(count, num_rows)).astype(np.int64)
    places.flags.writeable = False
    return places


def offsets_us(length_us: int) -> NDArray[np.int64]:
    """(2 S + 1,) int64 ascending, symmetric: how far one media may be shifted against another of that length."""
    num_steps = min(-int(-length_us * MOST_SHIFT // STEP_US), MOST_STEPS)
    return np.arange(-num_steps, num_steps + 1) * STEP_US


def overlaid(one: Rows, other: Rows, offset_us: NDArray[np.int64], *, tolerance_us: int) -> NDArray[np.float64]:
    """(S,) float64: the median distance of moments that are at the same time; infinite where too few are.

    Args:
        one: moments of a media, at least one, in order of time.
        other: those of another.
        offset_us: (S,) int64, symmetric: what is at t in `one` is at t + offset in `other`.
        tolerance_us: how far apart moments may be that count as the same time.
    """
    if len(one) < len(other):  # the one with more moments asks, so that none of them goes uncounted
        return overlaid(other, one, offset_us, tolerance_us=tolerance_us)[::-1]
    asking = evenly(one, MOST_MOMENTS)
    time_us = asking.start_us + offset_us[:, None]
    place, gap_us = _nearest_in_time(other.start_us, time_us)
    has_partner = gap_us <= tolerance_us
    is_enough = has_partner.mean(axis=1) >= ENOUGH
    found = np.full(len(offset_us), np.inf)
    if is_enough.any():
        partner = other.vector[place[is_enough]].astype(np.float32)
        cosine = np.einsum("td,std->st", asking.vector.astype(np.float32), partner)
        found[is_enough] = 1 - np.nanmedian(np.where(has_partner[is_enough], cosine, np.nan), axis=1)
    return found


def _nearest_in_time(
    start_us: NDArray[np.int64], time_us: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each time, which of the ascending moments is nearest, and how far it is."""
    after = np.searchsorted(start_us, time_us).clip(max=len(start_us) - 1)
    before = (after - 1).clip(min=0)
    is_before_nearer = np.abs(start_us[before] - time_us) <= np.abs(start_us[after] - time_us)
    place = np.where(is_before_nearer, before, after)
    return place, np.abs(start_us[place] - time_us)
