"""Pure: the moments of each media that answer best -> hits, neighbours in time taken together.

Where the moments of a media score .1 .1 .68 .7 .66 .1 .5, the first hit is the .7, with its two neighbours in its
stretch, and the second hit is the .5.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from avsearch.vectors import Rows
from avsearch.vectors.overlay import tracks_of

NEIGHBOUR_US = 2_500_000  # keyframes lie up to two seconds apart, with a little more where none can be had
NEARLY = 0.05  # so much less than the best of a stretch may its neighbours score
_FIRST_WIDTH = 32  # moments to either side of the best, for a first look


@dataclass(frozen=True, order=True)
class Stretch:
    """A hit: the moment of a media that scores best among its neighbours; the first in order is the best hit.

    Attributes:
        loss: the score, negative.
        media_id: of the media.
        best_us: the best moment.
        from_us: the first moment of the stretch.
        last_us: its last moment.
    """

    loss: float
    media_id: int
    best_us: int
    from_us: int
    last_us: int

    @property
    def score(self) -> float:
        return -self.loss

    @property
    def rank(self) -> tuple[float, int, int]:
        """What hits are ordered by."""
        return self.loss, self.media_id, self.best_us


def stretches_of(rows: Rows, vector: NDArray[np.float32], *, per_media: int) -> list[Stretch]:
    """The best stretches of each media, best first.

    Args:
        rows: all moments of some media, sorted by media and time.
        vector: (D,) float32, what asks.
        per_media: of each media at most so many.
    """
    scores = _scores(rows, vector)
    media_ids, first = np.unique(rows.media_id, return_index=True)
    found = []
    for media_id, begin, end in zip(media_ids.tolist(), first, [*first[1:], len(rows)][: len(first)], strict=True):
        found += _of_media(media_id, rows.start_us[begin:end], scores[begin:end], per_media)
    return sorted(found)


def widened(found: Iterable[Stretch], segments: Sequence[Rows], vector: NDArray[np.float32]) -> list[Stretch]:
    """Stretches that are only their best moments -> the same with their neighbours, as `stretches_of` takes them.

    Args:
        found: of each media at most one.
        segments: that hold their moments, each sorted by media and time.
        vector: (D,) float32, what asks.
    """
    found = list(found)
    tracks = tracks_of(segments, np.array(sorted(it.media_id for it in found), np.int64))
    return [_widened(it, tracks[it.media_id], vector) for it in found]


def _widened(stretch: Stretch, track: Rows, vector: NDArray[np.float32]) -> Stretch:
    """As many moments are looked at as the stretch needs, and not the whole of a long film."""
    place, width = int(np.searchsorted(track.start_us, stretch.best_us)), _FIRST_WIDTH
    while True:
        begin, end = max(place - width, 0), min(place + width + 1, len(track))
        some = track.take(slice(begin, end))
        scores = _scores(some, vector)
        joined = scores >= scores[place - begin] - NEARLY
        first, last = (_reach(joined, some.start_us, place - begin, step) + begin for step in (-1, 1))
        if (first > begin or begin == 0) and (last < end - 1 or end == len(track)):
            return replace(stretch, from_us=int(track.start_us[first]), last_us=int(track.start_us[last]))
        width *= 4


def _scores(rows: Rows, vector: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N,) float32, computed in float64."""
    return np.asarray(rows.vector.astype(np.float64) @ vector.astype(np.float64), np.float32)


def _of_media(
    media_id: int, start_us: NDArray[np.int64], scores: NDArray[np.float32], per_media: int
) -> list[Stretch]:
    """The best moment with its neighbours, then the best of the rest, and so on."""
    free = np.ones(len(scores), bool)
    found: list[Stretch] = []
    while len(found) < per_media and free.any():
        best = int(np.argmax(np.where(free, scores, -np.inf)))
        joined = free & (scores >= scores[best] - NEARLY)
        first, last = (_reach(joined, start_us, best, step) for step in (-1, 1))
        found.append(
            Stretch(
                loss=-float(scores[best]),
                media_id=media_id,
                best_us=int(start_us[best]),
                from_us=int(start_us[first]),
                last_us=int(start_us[last]),
            )
        )
        free[first : last + 1] = False
    return found


def _reach(joined: NDArray[np.bool_], start_us: NDArray[np.int64], best: int, step: int) -> int:
    """How far the stretch goes in one direction: over neighbours that score nearly as well."""
    place = best
    while 0 <= place + step < len(joined) and joined[place + step]:
        if abs(int(start_us[place + step] - start_us[place])) > NEIGHBOUR_US:
            break
        place += step
    return place
