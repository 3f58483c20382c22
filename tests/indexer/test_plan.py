import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.plan import GAP_TOLERANCE_US, fill_times

S = 1_000_000


def test_keyframes_every_two_seconds_leave_nothing_to_fill():
    assert fill_times([0, 2 * S, 4 * S], 6 * S) == []
    assert fill_times([0, 2_002_000, 4_004_000], 6_006_000) == []


def test_a_long_gap_is_divided_evenly_and_no_finer_than_the_limit_asks():
    assert fill_times([0, 10 * S], 10 * S) == [2 * S, 4 * S, 6 * S, 8 * S]
    assert fill_times([0, 3 * S], 3 * S) == [1_500_000]
    assert fill_times([0, 10 * S], 10 * S, gap_us=5 * S) == [5 * S]


def test_the_stretch_after_the_last_keyframe_is_filled_too():
    assert fill_times([0], 5 * S) == [5 * S // 3, 10 * S // 3]


def test_where_no_keyframe_decodes_everything_is_tried_from_the_start():
    assert fill_times([], 6 * S) == [0, 2 * S, 4 * S]
    assert fill_times([6 * S], 6 * S) == [0, 2 * S, 4 * S]


def test_a_first_keyframe_that_is_late_by_no_more_than_the_limit_stands_for_the_start():
    assert fill_times([2_100_000, 6_100_000], 6_100_000) == [4_100_000]
    assert fill_times([2 * S, 6 * S], 6 * S) == [4 * S]


def test_a_stretch_at_the_start_is_divided_from_zero_on():
    assert fill_times([5 * S], 5 * S) == [0, 1_666_666, 3_333_333]


def test_an_unknown_end_is_no_gap():
    assert fill_times([0, 1 * S], 0) == []


def test_a_gap_that_cannot_be_meant_is_refused():
    with pytest.raises(ValueError, match="too short"):
        fill_times([0], 5 * S, gap_us=GAP_TOLERANCE_US)


@given(st.lists(st.integers(1, 30 * S), max_size=20), st.integers(0, 60 * S), st.integers(S // 2, 20 * S))
def test_no_gap_beyond_the_limit_is_left_and_no_mark_is_superfluous(steps, rest, gap_us):
    keyframes = np.cumsum([0, *steps]).tolist()
    end = keyframes[-1] + rest
    times = fill_times(keyframes, end, gap_us=gap_us)
    assert times == sorted(set(times) - set(keyframes))
    together = sorted([*keyframes, *times, end])
    assert max(np.diff(together), default=0) <= gap_us + GAP_TOLERANCE_US
    for start, stop in zip([*keyframes], [*keyframes[1:], end], strict=True):
        inside = [time for time in times if start < time < stop]
        if inside:  # one mark fewer would leave a gap beyond the limit
            assert (stop - start) / len(inside) > gap_us
