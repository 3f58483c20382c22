"""Pure: which frame goes with which second of sound.

The mid-point of a positive's second always falls on a frame. If the negatives' seconds were cut anywhere, a
network could tell them by the cut: so every second, of positives and of negatives, is cut around a frame time
of its own video ("Objects that Sound", section 3.3). Negatives come from another video, never by label.
"""

from __future__ import annotations

import numpy as np

from avsearch.moments import SECOND_US

HALF_SECOND_US = SECOND_US // 2


def centred_second(frame_us: int) -> tuple[int, int]:
    """The second of sound around a frame: (start_us, end_us), half-open."""
    return frame_us - HALF_SECOND_US, frame_us + HALF_SECOND_US


def has_whole_second(times_us: np.ndarray, *, start_us: int, end_us: int) -> np.ndarray:
    """(N,) frame times -> (N,) bool: whether the second around each lies within [start_us, end_us)."""
    return (times_us - HALF_SECOND_US >= start_us) & (times_us + HALF_SECOND_US <= end_us)


def thinned(times_us: np.ndarray, *, apart_us: int) -> np.ndarray:
    """(N,) ascending times -> those at least `apart_us` after the one taken before; the first is taken."""
    taken: list[int] = []
    for time_us in times_us.tolist():
        if not taken or time_us - taken[-1] >= apart_us:
            taken.append(time_us)
    return np.array(taken, np.int64)


def batch_clips(num_clips: int, *, batch_size: int, step: int, seed: int) -> np.ndarray:
    """(batch_size,) clip numbers of one step: all clips in one random order, then in another, and so on.

    A pure function of its arguments, so that a resumed run draws what an uninterrupted one would.
    """
    first = step * batch_size
    epochs = range(first // num_clips, (first + batch_size - 1) // num_clips + 1)
    orders = [np.random.default_rng([seed, 1, epoch]).permutation(num_clips) for epoch in epochs]
    offset = first - epochs[0] * num_clips
    return np.concatenate(orders)[offset : offset + batch_size]


def negative_partners(media: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(B,) media numbers -> (B,) positions j with media[j] != media[i]: whose sound makes i a negative.

    Raises:
        ValueError: all rows are of one media.
    """
    others = media[:, None] != media[None, :]
    if not others.any(axis=1).all():
        raise ValueError("negatives need at least two media in a batch")
    return np.array([rng.choice(np.flatnonzero(row)) for row in others], np.int64)
