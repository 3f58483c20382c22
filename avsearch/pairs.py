"""Pure: which frame goes with which second of sound.

The mid-point of a positive's second always falls on a frame. If the negatives' seconds were cut anywhere, a
network could tell them by the cut: so every second, of positives and of negatives, is cut around a frame time
of its own video ("Objects that Sound", section 3.3). Negatives come from another video, never by label.
"""

from __future__ import annotations

import functools

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


def nearest(times_us: np.ndarray, wanted_us: np.ndarray) -> np.ndarray:
    """(N,) ascending times, (M,) wanted ones -> (M,) the nearest there is to each, the earlier of two."""
    after = np.clip(np.searchsorted(times_us, wanted_us), 1, max(len(times_us) - 1, 1))
    before_us, after_us = times_us[after - 1], times_us[np.minimum(after, len(times_us) - 1)]
    return np.where(after_us - wanted_us < wanted_us - before_us, after_us, before_us)


def batch_clips(num_clips: int, *, batch_size: int, step: int, seed: int, pairs_per_clip: int = 1) -> np.ndarray:
    """(batch_size,) clip numbers of one step: all clips in one random order, then in another, and so on.

    Each order, an epoch, has every clip `pairs_per_clip` times, all shuffled together. A pure function of its
    arguments, so that a resumed run draws what an uninterrupted one would.
    """
    num_draws = num_clips * pairs_per_clip
    first = step * batch_size
    epochs = range(first // num_draws, (first + batch_size - 1) // num_draws + 1)
    orders = [_order(num_draws, seed, epoch) for epoch in epochs]
    offset = first - epochs[0] * num_draws
    return np.concatenate(orders)[offset : offset + batch_size] % num_clips


@functools.lru_cache(maxsize=2)
def _order(num_draws: int, seed: int, epoch: int) -> np.ndarray:
    """The order of one epoch; kept, since many steps go through it."""
    order = np.random.default_rng([seed, 1, epoch]).permutation(num_draws)
    order.flags.writeable = False
    return order


def with_two_media(chosen: np.ndarray, media: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(B,) clip numbers, (N,) media of all clips -> the same, the last exchanged if all are of one media.

    Raises:
        ValueError: all clips there are belong to one media.
    """
    if (media[chosen] != media[chosen[0]]).any():
        return chosen
    others = np.flatnonzero(media != media[chosen[0]])
    if not others.size:
        raise ValueError("negatives need at least two media")
    return np.append(chosen[:-1], rng.choice(others))


def negative_partners(media: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(B,) media numbers -> (B,) positions j with media[j] != media[i]: whose sound makes i a negative.

    Raises:
        ValueError: all rows are of one media.
    """
    _, group, sizes = np.unique(media, return_inverse=True, return_counts=True)
    if len(sizes) < 2:
        raise ValueError("negatives need at least two media in a batch")
    nth = rng.integers(0, len(media) - sizes[group])  # of the rows of other media, one that is drawn
    rows, first = np.argsort(group, kind="stable"), np.cumsum(sizes) - sizes
    others_before = rows - (np.arange(len(media)) - first[group[rows]])  # each row, and ascending in each group
    step = len(media) + 1  # so that one search serves all groups
    own_before = np.searchsorted(group[rows] * step + others_before, group * step + nth, side="right")
    return np.asarray(nth + own_before - first[group], np.int64)
