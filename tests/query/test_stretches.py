"""Truth: a plain loop that knows nothing of arrays."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avsearch.query.stretches import NEARLY, NEIGHBOUR_US, stretches_of, widened
from avsearch.vectors import Rows

SECOND = 1_000_000


def rows_of(media):
    """Rows whose score against the vector (1, 0) is the number given; {media id: {start_us: score}}."""
    flat = [
        (media_id, start, score) for media_id, it in sorted(media.items()) for start, score in sorted(it.items())
    ]
    vector = np.array([[score, np.sqrt(1 - score**2)] for _, _, score in flat], np.float32)
    return Rows(vector, np.array([it[0] for it in flat], np.int64), np.array([it[1] for it in flat], np.int64))


def found(media, per_media):
    hits = stretches_of(rows_of(media), np.array([1, 0], np.float32), per_media=per_media)
    return [(it.media_id, it.best_us, it.from_us, it.last_us, round(it.score, 4)) for it in hits]


def plain(media, per_media):
    """The same by hand: take the best free moment, walk to both sides, go on with the rest."""
    hits = []
    for media_id, moments in media.items():
        free = dict(sorted((start, np.float32(score)) for start, score in moments.items()))
        order = list(free)
        for _ in range(per_media):
            if not free:
                break
            best = min(free, key=lambda start: (-free[start], start))
            ends = []
            for step in (-1, 1):
                place = order.index(best)
                while 0 <= place + step < len(order):
                    following = order[place + step]
                    if following not in free or free[following] < free[best] - np.float32(NEARLY):
                        break
                    if abs(following - order[place]) > NEIGHBOUR_US:
                        break
                    place += step
                ends.append(order[place])
            hits.append((media_id, best, *ends, float(free[best])))
            free = {start: score for start, score in free.items() if not ends[0] <= start <= ends[1]}
    return sorted(hits, key=lambda hit: (-hit[4], hit[0], hit[1]))


def test_neighbours_that_answer_nearly_as_well_are_one_hit():
    seconds = dict(enumerate([0.1, 0.1, 0.68, 0.7, 0.66, 0.1, 0.5]))
    media = {7: {second * SECOND: score for second, score in seconds.items()}}
    assert found(media, 2) == [
        (7, 3 * SECOND, 2 * SECOND, 4 * SECOND, 0.7),
        (7, 6 * SECOND, 6 * SECOND, 6 * SECOND, 0.5),
    ]


def test_a_gap_in_time_ends_a_stretch():
    media = {1: {0: 0.5, NEIGHBOUR_US: 0.5, 2 * NEIGHBOUR_US + 1: 0.5}}
    assert found(media, 1) == [(1, 0, 0, NEIGHBOUR_US, 0.5)]


def test_of_equal_scores_the_lower_media_and_the_earlier_moment_come_first():
    media = {2: {0: 0.5}, 1: {9 * SECOND: 0.5, 4 * SECOND: 0.5}}
    assert [hit[:2] for hit in found(media, 2)] == [(1, 4 * SECOND), (1, 9 * SECOND), (2, 0)]


@given(
    st.dictionaries(
        st.integers(1, 4),
        st.dictionaries(
            st.integers(0, 12).map(lambda it: it * 700_000), st.integers(0, 40), min_size=1, max_size=9
        ),
        min_size=1,
        max_size=3,
    ),
    st.integers(1, 4),
)
def test_any_media_gives_the_hits_of_the_plain_loop(media, per_media):
    media = {media_id: {start: score / 64 for start, score in it.items()} for media_id, it in media.items()}
    assert found(media, per_media) == [(*hit[:4], round(hit[4], 4)) for hit in plain(media, per_media)]


def test_no_rows_give_no_hits():
    none = Rows(np.empty((0, 2), np.float32), np.empty(0, np.int64), np.empty(0, np.int64))
    assert stretches_of(none, np.array([1, 0], np.float32), per_media=1) == []


@pytest.mark.parametrize("num_segments", [1, 3])
@pytest.mark.parametrize("seed", range(8))
def test_the_best_moments_alone_grow_into_the_same_hits(num_segments, seed):
    """Of long films too, whose stretches reach far beyond what is looked at first."""
    rng = np.random.default_rng(seed)
    steps = {media_id: rng.choice([-0.002, 0.002], int(rng.integers(1, 400))) for media_id in (3, 4, 9)}
    media = {
        media_id: {at * SECOND: score for at, score in enumerate((0.5 + step.cumsum()).tolist())}
        for media_id, step in steps.items()
    }
    rows, vector = rows_of(media), np.array([1, 0], np.float32)
    places = [slice(at, None, num_segments) for at in range(num_segments)]
    expected = stretches_of(rows, vector, per_media=1)
    alone = [replace(it, from_us=it.best_us, last_us=it.best_us) for it in expected]
    assert widened(alone, [rows.take(place) for place in places], vector) == expected
