from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avsearch import pairs

TIMES = st.lists(st.integers(0, 20_000_000), min_size=1, max_size=40, unique=True).map(sorted).map(np.array)
MEDIA = (
    st.lists(st.integers(0, 5), min_size=2, max_size=30).filter(lambda numbers: len(set(numbers)) > 1).map(np.array)
)


@given(frame_us=st.integers(0, 10**12))
def test_the_second_around_a_frame_lasts_a_second_and_has_the_frame_in_its_middle(frame_us):
    start_us, end_us = pairs.centred_second(frame_us)
    assert end_us - start_us == 1_000_000
    assert (start_us + end_us) / 2 == frame_us


@given(times=TIMES, start_us=st.integers(0, 10_000_000), length_us=st.integers(0, 20_000_000))
def test_frames_with_a_whole_second_are_those_whose_second_sticks_out_nowhere(times, start_us, length_us):
    end_us = start_us + length_us
    found = times[pairs.has_whole_second(times, start_us=start_us, end_us=end_us)].tolist()
    assert found == [t for t in times.tolist() if start_us <= t - 500_000 and t + 500_000 <= end_us]


@given(times=TIMES, apart_us=st.integers(1, 3_000_000))
def test_thinned_times_begin_with_the_first_lie_apart_and_leave_no_gap_that_could_be_filled(times, apart_us):
    taken = pairs.thinned(times, apart_us=apart_us).tolist()
    assert taken[0] == times[0]
    assert all(later - before >= apart_us for before, later in pairwise(taken))
    for time in set(times.tolist()) - set(taken):
        assert time - max(t for t in taken if t < time) < apart_us


def test_nothing_thinned_is_nothing():
    assert pairs.thinned(np.zeros(0, np.int64), apart_us=1).tolist() == []


@given(
    num_clips=st.integers(1, 40),
    batch_size=st.integers(1, 25),
    seed=st.integers(0, 2**32),
    num_epochs=st.integers(1, 4),
)
def test_every_clip_is_drawn_once_an_epoch(num_clips, batch_size, seed, num_epochs):
    num_steps = -(-num_clips * num_epochs // batch_size)
    batches = [pairs.batch_clips(num_clips, batch_size=batch_size, step=s, seed=seed) for s in range(num_steps)]
    assert {len(batch) for batch in batches} == {batch_size}
    epochs = np.concatenate(batches)[: num_clips * num_epochs].reshape(num_epochs, num_clips)
    assert (np.sort(epochs, axis=1) == np.arange(num_clips)).all()


@given(step=st.integers(0, 10**6), seed=st.integers(0, 2**32))
def test_a_batch_depends_on_nothing_but_its_arguments(step, seed):
    first = pairs.batch_clips(37, batch_size=8, step=step, seed=seed)
    np.random.default_rng(seed).random(5)
    pairs.batch_clips(37, batch_size=8, step=step + 1, seed=seed)
    assert pairs.batch_clips(37, batch_size=8, step=step, seed=seed).tolist() == first.tolist()


def test_epochs_and_seeds_have_orders_of_their_own():
    orders = [
        pairs.batch_clips(50, batch_size=50, step=step, seed=seed).tolist() for step in (0, 1) for seed in (0, 1)
    ]
    assert len({tuple(order) for order in orders}) == 4


@given(media=MEDIA, seed=st.integers(0, 2**32))
def test_a_negative_is_never_of_the_same_media(media, seed):
    partners = pairs.negative_partners(media, np.random.default_rng(seed))
    assert partners.shape == media.shape
    assert (media[partners] != media).all()


@given(media=MEDIA, seed=st.integers(0, 2**32))
def test_negatives_are_those_that_a_plain_loop_draws(media, seed):
    rng = np.random.default_rng(seed)
    loop = [rng.choice([row for row in range(len(media)) if media[row] != own]) for own in media]
    again = np.random.default_rng(seed)
    assert pairs.negative_partners(media, again).tolist() == loop
    assert again.random() == rng.random()


def test_every_row_of_another_media_is_as_likely_a_negative():
    media = np.array([0, 0, 1, 2, 2])
    rng = np.random.default_rng(0)
    drawn = np.array([pairs.negative_partners(media, rng) for _ in range(3000)])
    of_the_first = np.bincount(drawn[:, 0], minlength=5) / 3000
    np.testing.assert_allclose(of_the_first, [0, 0, 1 / 3, 1 / 3, 1 / 3], atol=0.03)


def test_a_batch_of_one_media_has_no_negatives():
    with pytest.raises(ValueError, match="two media"):
        pairs.negative_partners(np.array([3, 3, 3]), np.random.default_rng(0))
