import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from avsearch.media import FrameTimes
from indexer.plan import image_moments


def plan(times):
    return image_moments(FrameTimes(np.array(times, np.int64), np.ones(len(times), bool)))


def test_one_frame_a_second_at_a_steady_rate():
    assert plan([n * 40_000 for n in range(76)]) == [0, 1_000_000, 2_000_000, 3_000_000]


def test_at_an_odd_rate_it_is_the_frame_that_is_shown_at_the_second():
    times = [round(n * 1001 / 24000 * 1e6) for n in range(72)]
    assert plan(times) == [0, times[23], times[47]]
    assert times[23] <= 1_000_000 < times[24]


def test_a_frame_that_stands_for_long_is_taken_once():
    assert plan([0, 40_000, 5_500_000]) == [0, 40_000]
    assert plan([0, 4_200_000, 5_000_000]) == [0, 5_000_000]


def test_no_frames_no_moments():
    assert plan([]) == []


@given(st.lists(st.integers(1, 3_000_000), min_size=1, max_size=60))
def test_moments_are_frames_in_order_and_no_second_of_them_lacks_one_that_is_shown(gaps):
    times = np.cumsum([0, *gaps]).tolist()
    chosen = plan(times)
    assert chosen == sorted(set(chosen))
    assert set(chosen) <= set(times)
    for mark in range(0, times[-1] + 1, 1_000_000):
        assert max(t for t in times if t <= mark) in chosen
