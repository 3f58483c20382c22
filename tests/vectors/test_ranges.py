"""Where the rows of some media lie, against a loop over all rows."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from avsearch.vectors import Rows, rows_of_media
from avsearch.vectors.ranges import Ranges, ranges_of_media

ids = st.lists(st.integers(0, 12), min_size=1, max_size=30).map(sorted)
some_ids = st.sets(st.integers(0, 14), max_size=8).map(sorted)


def as_ids(numbers):
    return np.array(numbers, np.int64)


@given(ids, some_ids)
def test_the_rows_of_some_media_are_those_that_a_loop_finds(media_id, wanted):
    found = ranges_of_media(as_ids(media_id), as_ids(wanted))
    truth = [row for row, one in enumerate(media_id) if one in wanted]
    assert found.rows().tolist() == truth
    assert found.num_rows == len(truth)
    assert type(found.num_rows) is int
    assert found.mask(len(media_id)).tolist() == [one in wanted for one in media_id]
    assert found.rows().dtype == found.first.dtype == found.last.dtype == np.int64
    assert found.mask(len(media_id)).dtype == np.bool_
    assert (found.last > found.first).all()


def test_a_range_ends_before_its_last_and_none_of_it_is_left_out():
    ranges = Ranges(as_ids([0, 3]), as_ids([2, 4]))
    assert ranges.rows().tolist() == [0, 1, 3]
    assert ranges.mask(5).tolist() == [True, True, False, True, False]
    assert ranges.num_rows == 3


def test_ranges_that_touch_are_one_stretch_of_rows():
    ranges = Ranges(as_ids([0, 2]), as_ids([2, 4]))
    assert ranges.mask(5).tolist() == [True, True, True, True, False]
    assert ranges.rows().tolist() == [0, 1, 2, 3]


def test_no_ranges_are_no_rows():
    nothing = Ranges(as_ids([]), as_ids([]))
    assert (nothing.num_rows, nothing.rows().tolist(), nothing.mask(2).tolist()) == (0, [], [False, False])


@given(st.lists(st.lists(st.integers(0, 9), max_size=8).map(sorted), max_size=4), some_ids)
def test_all_rows_of_some_media_come_from_every_segment_by_media_and_time(segments, wanted):
    rng = np.random.default_rng(0)
    made = []
    for media_id in segments:
        times = as_ids(rng.permutation(100)[: len(media_id)])
        times = times[np.lexsort((times, media_id))]
        made.append(Rows(rng.random((len(media_id), 2), np.float32), as_ids(media_id), times))
    found = rows_of_media([Rows(np.empty((0, 2), np.float32), as_ids([]), as_ids([])), *made], as_ids(wanted))
    truth = sorted(
        (one, time, vector.tolist())
        for rows in made
        for one, time, vector in zip(rows.media_id.tolist(), rows.start_us.tolist(), rows.vector, strict=True)
        if one in wanted
    )
    given_back = zip(found.media_id.tolist(), found.start_us.tolist(), found.vector.tolist(), strict=True)
    assert sorted(given_back) == truth
    assert list(zip(found.media_id, found.start_us, strict=True)) == [(one, time) for one, time, _ in truth]
