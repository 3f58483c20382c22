"""Near-duplicates: which media are the content of a better one again, encoded anew, cropped a little or shifted.

Pure: stored rows in, a decision out. Two media are laid over each other at the offset in time where their moments
agree best. What is far apart depends on the encoder and on the footage; so distances, 1 - cosine, are counted in
mean distances of any two moments of the library. What cannot be told apart by its vectors is a copy: two takes of
one scene that look and sound the same are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from avsearch.moments import SECOND_US, Modality
from avsearch.vectors.overlay import TOLERANCE_US, even_places, offsets_us, overlaid, spread_of, tracks_of
from avsearch.vectors.segments import Rows

MOST_MEDIA = 1000  # of a ranking; what comes later is not looked at
MOST_COMPARED = 8  # better media that one is laid over
_GLIMPSED = 16  # moments of a media, for a first look
LOOSE = 3.0  # times the limits: what is further apart at first look is not laid over each other
_LENGTH_SHARE = 0.8  # of the longer one's length; or a second less


@dataclass(frozen=True)
class Limits:
    """How far apart copies may be, in mean distances of any two moments; chosen with `benchmarks/duplicates.py`.

    Attributes:
        both: of each side where both can be compared; what one side leaves of it, the other may use.
        alone: of a side where only that can be compared: stills, sounds, films without sound.
    """

    both: Mapping[Modality, float] = field(default_factory=lambda: {Modality.IMAGE: 0.05, Modality.AUDIO: 0.3})
    alone: Mapping[Modality, float] = field(default_factory=lambda: {Modality.IMAGE: 0.008, Modality.AUDIO: 0.035})

    def used(self, distances: Mapping[Modality, NDArray[np.float64]]) -> NDArray[np.float64]:
        """How much of the limits distances of one shape use: copies at most 1; infinite where no side has any.

        Args:
            distances: of each side; NaN where it cannot be compared.
        """
        image, audio = (distances[side] for side in (Modality.IMAGE, Modality.AUDIO))
        together = image / self.both[Modality.IMAGE] + audio / self.both[Modality.AUDIO]
        for alone in (image / self.alone[Modality.IMAGE], audio / self.alone[Modality.AUDIO]):
            together = np.where(np.isnan(together), alone, together)
        return np.where(np.isnan(together), np.inf, together)


LIMITS = Limits()


def copies(
    rows_of: Mapping[Modality, Sequence[Rows]],
    media_ids: Sequence[int],
    *,
    spread: Mapping[Modality, float] | None = None,
    limits: Limits = LIMITS,
) -> dict[int, int]:
    """Which media are near-duplicates of one that ranks before them.

    Args:
        rows_of: segments of each modality that can be compared, each sorted by media and time.
        media_ids: in rank order; only the first `MOST_MEDIA` are looked at, each against at most `MOST_COMPARED`.
        spread: `overlay.spread_of` each modality, where it is known already.
        limits: how far apart copies may be.

    Returns:
        media ids of copies -> the media, no copy itself, that stands for each.
    """
    contents = contents_of(rows_of, list(dict.fromkeys(media_ids))[:MOST_MEDIA], spread=spread)
    used = limits.used(contents.glimpsed())
    is_likely = contents.fits() & (used <= LOOSE)
    is_kept = np.ones(len(used), np.bool_)
    copy_of: dict[int, int] = {}
    for at, media_id in enumerate(contents.media_ids):
        better = np.flatnonzero(is_likely[at, :at] & is_kept[:at])
        nearest = np.sort(better[np.argsort(used[at, better], kind="stable")[:MOST_COMPARED]])
        for other in (contents.media_ids[place] for place in nearest.tolist()):
            if limits.used(contents.distances(media_id, other, limits)) <= 1:
                copy_of[media_id] = other
                is_kept[at] = False
                break
    return copy_of


@dataclass(frozen=True, eq=False)
class Contents:
    """What is stored of some media; `contents_of` makes one.

    Attributes:
        media_ids: of the media.
        tracks: of each side, by media id, its moments in order of time.
        spread: of each side, the mean distance of any two moments of the library.
    """

    media_ids: Sequence[int]
    tracks: Mapping[Modality, Mapping[int, Rows]]
    spread: Mapping[Modality, float]

    def glimpsed(self) -> dict[Modality, NDArray[np.float64]]:
        """(M, M) distances of each side between what media are on the whole; NaN where one lacks it."""
        return {side: self._glimpsed(tracks) / self.spread[side] for side, tracks in self.tracks.items()}

    def fits(self) -> NDArray[np.bool_]:
        """(M, M) bool: whether media are about as long as each other."""
        length = np.array([self._length_us(media_id) for media_id in self.media_ids], np.int64)
        longer, shorter = np.maximum.outer(length, length), np.minimum.outer(length, length)
        return np.asarray(longer - shorter <= np.maximum((1 - _LENGTH_SHARE) * longer, SECOND_US))

    def distances(self, one: int, other: int, limits: Limits) -> dict[Modality, NDArray[np.float64]]:
        """() of each side, where two media agree best; NaN where one lacks it."""
        offset_us = offsets_us(max(self._length_us(one), self._length_us(other)))
        found = {}
        for side, tracks in self.tracks.items():
            found[side] = np.full(len(offset_us), np.nan)
            if one in tracks and other in tracks:
                apart = overlaid(tracks[one], tracks[other], offset_us, tolerance_us=TOLERANCE_US[side])
                found[side] = apart / self.spread[side]
        best = int(np.argmin(limits.used(found)))
        return {side: apart[best] for side, apart in found.items()}

    def _glimpsed(self, tracks: Mapping[int, Rows]) -> NDArray[np.float64]:
        apart = np.full((len(self.media_ids), len(self.media_ids)), np.nan)
        place = np.flatnonzero([media_id in tracks for media_id in self.media_ids])
        if place.size:
            mean = np.stack([_mean(tracks[self.media_ids[at]]) for at in place.tolist()])
            mean /= np.linalg.norm(mean, axis=1, keepdims=True).clip(min=1e-9)
            apart[np.ix_(place, place)] = 1 - mean @ mean.T
        return apart

    def _length_us(self, media_id: int) -> int:
        """From the start to the last moment of either side."""
        sides = (tracks[media_id] for tracks in self.tracks.values() if media_id in tracks)
        return max((int(rows.start_us[-1]) for rows in sides), default=0)


def contents_of(
    rows_of: Mapping[Modality, Sequence[Rows]],
    media_ids: Sequence[int],
    *,
    spread: Mapping[Modality, float] | None = None,
) -> Contents:
    """Look up what is stored of some media; nothing is copied.

    Args:
        rows_of: segments of each modality, each sorted by media and time.
        media_ids: in any order, each once.
        spread: of each modality; measured where it is not given.
    """
    ascending = np.sort(np.asarray(media_ids, np.int64))
    return Contents(
        media_ids=media_ids,
        tracks={side: tracks_of(rows_of.get(side, ()), ascending) for side in Modality},
        spread=spread or {side: spread_of(rows_of.get(side, ())) for side in Modality},
    )


def _mean(track: Rows) -> NDArray[np.float64]:
    """(D,) of the moments of a first look."""
    vector: NDArray[np.floating] = track.vector[even_places(len(track), _GLIMPSED)]
    mean: NDArray[np.float64] = np.add.reduce(vector, axis=0, dtype=np.float64) / len(vector)
    return mean
