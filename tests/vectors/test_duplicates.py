"""Which media are copies: of made-up contents whose vectors change with time as those of footage do."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avsearch.moments import SECOND_US, Modality
from avsearch.vectors import Rows, duplicates, overlay, rows_of_media
from avsearch.vectors.duplicates import LIMITS, Limits, contents_of, copies

IMAGE, AUDIO = Modality.IMAGE, Modality.AUDIO
DIM = 32


def content(seed, length_s=60):
    """(seconds, D) unit rows: each second looks or sounds otherwise, a little like the one before."""
    rng = np.random.default_rng(seed)
    steps = rng.standard_normal((length_s + 12, DIM))
    return np.stack([steps[at : at + 3].sum(axis=0) for at in range(length_s + 10)])


def shown(what, times_s, *, noise=0.0, seed=0):
    """(N, D) unit rows of a content at times, between the seconds as it goes over from one to the next."""
    times_s = np.asarray(times_s, float)
    whole, part = times_s.astype(int), (times_s % 1)[:, None]
    vector = what[whole] * (1 - part) + what[whole + 1] * part
    vector = vector / np.linalg.norm(vector, axis=1, keepdims=True)
    vector = vector + np.random.default_rng(seed).standard_normal(vector.shape) * noise / DIM**0.5
    return vector / np.linalg.norm(vector, axis=1, keepdims=True)


class Shelf:
    """Media to be compared, gathered into segments."""

    def __init__(self, num_others=20):
        self.parts = {IMAGE: [], AUDIO: []}
        for other in range(num_others):  # so that a library is more than what is asked for
            self.add(1000 + other, seed=5000 + other)

    def add(self, media_id, *, seed=0, image=True, audio=True, start_s=0.0, length_s=20, every_s=2.0, noise=0.0):
        """A media of the content `seed`, cut from `start_s` on, with image moments every so often."""
        for side, wanted, step in ((IMAGE, image, every_s), (AUDIO, audio, 1.0)):
            if wanted is not False:
                times_s = np.arange(0, max(length_s, 0.1), step)
                what = content((seed if wanted is True else wanted, side is AUDIO))
                vector = shown(what, times_s + start_s, noise=noise, seed=media_id)
                times_us = (times_s * SECOND_US).astype(np.int64)
                self.parts[side].append(Rows(vector.astype(np.float32), np.full(len(times_us), media_id), times_us))
        return self

    def rows(self, num_segments=2, dtype=np.float32):
        """Dealt out to segments, each sorted by media."""
        made = {}
        for side, parts in self.parts.items():
            ascending = sorted(parts, key=lambda rows: rows.media_id[0])
            groups = [ascending[at::num_segments] for at in range(num_segments)]
            made[side] = [
                Rows(
                    np.concatenate([rows.vector for rows in group]).astype(dtype),
                    np.concatenate([rows.media_id for rows in group]),
                    np.concatenate([rows.start_us for rows in group]),
                )
                for group in groups
                if group
            ]
        return made


def test_what_is_encoded_anew_is_a_copy_and_another_content_is_none():
    shelf = Shelf().add(7).add(3, noise=0.1).add(5, seed=1)
    assert copies(shelf.rows(), [5, 7, 3]) == {3: 7}


def test_the_one_that_ranks_first_stands_for_all_its_copies():
    rows = Shelf().add(1).add(2, noise=0.1).add(3, noise=0.1).add(4, seed=9).add(5, seed=9, noise=0.1).rows()
    assert copies(rows, [2, 4, 3, 5, 1]) == {3: 2, 1: 2, 5: 4}
    assert copies(rows, [1, 3, 1, 3]) == {3: 1}


def test_what_is_like_a_hidden_copy_only_is_shown():
    """Copies of copies would lead ever further from what is shown."""
    rows = Shelf().add(1, noise=0.26).add(2).add(3, noise=0.26).rows()
    assert copies(rows, [1, 2, 3]) == {2: 1}
    assert copies(rows, [2, 1, 3]) == {1: 2, 3: 2}


@pytest.mark.parametrize("start_s", [0.3, 1.0, 3.5])
@pytest.mark.parametrize("every_s", [1.0, 1.7])
def test_a_shift_in_time_and_other_keyframes_change_nothing(start_s, every_s):
    rows = Shelf().add(1, length_s=30).add(2, start_s=start_s, length_s=30 - start_s, every_s=every_s).rows()
    calm = Limits(both={IMAGE: 0.25, AUDIO: 0.4})  # these contents change a good deal in half a second
    assert copies(rows, [1, 2], limits=calm) == {2: 1}
    assert copies(rows, [2, 1], limits=calm) == {1: 2}


def test_the_same_pictures_with_other_sound_are_no_copy_and_the_other_way_round():
    rows = Shelf().add(1).add(2, audio=77).add(3, image=78).rows()
    assert copies(rows, [1, 2, 3]) == {}


def test_a_part_of_a_film_is_no_copy_of_it():
    rows = Shelf().add(1, length_s=40).add(2, length_s=20).add(3, start_s=15, length_s=20).rows()
    assert copies(rows, [1, 2, 3]) == {}
    assert copies(rows, [2, 3, 1]) == {}


@pytest.mark.parametrize(("length_s", "is_copy"), [(20, True), (23, True), (28, False), (40, False)])
def test_copies_are_about_as_long_as_each_other(length_s, is_copy):
    rows = Shelf().add(1, length_s=20).add(2, length_s=length_s).rows()
    assert copies(rows, [1, 2]) == ({2: 1} if is_copy else {})


def test_the_same_moments_in_another_order_are_no_copy():
    rows = Shelf().add(1, length_s=20).rows()
    for segments in rows.values():
        forward = rows_of_media(segments, np.array([1]))
        segments.append(Rows(forward.vector[::-1].copy(), np.full(len(forward), 2), forward.start_us))
    assert copies(rows, [1, 2]) == {}


@pytest.mark.parametrize(("side", "noise"), [(IMAGE, 0.2), (AUDIO, 0.3)])
def test_one_side_alone_has_to_be_nearer(side, noise):
    has = {"image": side is IMAGE, "audio": side is AUDIO}
    rows = Shelf().add(1, **has).add(2, noise=0.02, **has).add(3, noise=noise, **has).rows()
    assert copies(rows, [1, 2, 3]) == {2: 1}


def test_both_sides_together_may_be_further_apart():
    rows = Shelf().add(1).add(3, noise=0.2).rows()
    assert copies(rows, [1, 3]) == {3: 1}


def test_a_film_without_its_sound_is_compared_by_its_pictures():
    rows = Shelf().add(1).add(2, audio=False).add(3, seed=4, audio=False).rows()
    assert copies(rows, [1, 2, 3]) == {2: 1}


def test_stills_are_compared_by_their_one_moment():
    still = {"audio": False, "length_s": 0}
    rows = Shelf().add(1, **still).add(2, noise=0.02, **still).add(3, seed=6, **still).add(4).rows()
    assert copies(rows, [1, 2, 3, 4]) == {2: 1}


def test_what_has_nothing_in_common_cannot_be_a_copy():
    rows = Shelf().add(1, audio=False).add(2, image=False).rows()
    assert copies(rows, [1, 2]) == {}


@pytest.mark.parametrize("num_segments", [1, 2, 5])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_how_rows_lie_in_segments_changes_nothing(num_segments, dtype):
    shelf = Shelf().add(1).add(2, noise=0.1).add(3, seed=8).add(4, seed=8, noise=0.1)
    rows = shelf.rows(num_segments, dtype)
    assert copies(rows, [4, 1, 2, 3]) == {2: 1, 3: 4}
    split = {
        side: [part for rows in segments for part in (rows.take(slice(0, None, 2)), rows.take(slice(1, None, 2)))]
        for side, segments in rows.items()
    }
    assert copies(split, [4, 1, 2, 3]) == {2: 1, 3: 4}


def test_nothing_and_unknown_media_have_no_copies():
    assert copies({}, []) == {}
    assert copies({}, [1, 2]) == {}
    assert copies({IMAGE: [], AUDIO: []}, [1, 2]) == {}
    assert copies(Shelf().add(1).rows(), [8, 1, 9]) == {}


def test_a_library_of_hardly_more_than_the_copies_knows_them_too():
    assert copies(Shelf(num_others=0).add(1).add(2, noise=0.05).rows(1), [1, 2]) == {2: 1}


def test_the_work_is_bounded_however_many_media_are_alike(monkeypatch):
    shelf = Shelf()
    for media_id in range(1, 60):
        shelf.add(media_id, length_s=4, noise=0.01)
    laid = []
    monkeypatch.setattr(duplicates, "overlaid", counting(duplicates.overlaid, laid))
    monkeypatch.setattr(duplicates, "MOST_MEDIA", 50)
    monkeypatch.setattr(duplicates, "LOOSE", np.inf)
    assert copies(shelf.rows(), range(1, 60), limits=Limits(both={IMAGE: 1e-12, AUDIO: 1e-12})) == {}
    assert 0 < len(laid) <= 2 * 50 * duplicates.MOST_COMPARED
    assert max(copies(shelf.rows(), range(1, 60))) == 50


def counting(function, calls):
    def counted(*given, **named):
        calls.append(given)
        return function(*given, **named)

    return counted


def test_a_day_long_recording_costs_no_more_than_a_minute_of_one():
    rng = np.random.default_rng(0)
    vector = rng.standard_normal((86_400, DIM)).astype(np.float32)
    vector /= np.linalg.norm(vector, axis=1, keepdims=True)
    seconds = np.arange(86_400) * SECOND_US
    rows = {AUDIO: [Rows(np.tile(vector, (2, 1)), np.repeat([1, 2], 86_400), np.tile(seconds, 2))]}
    began = time.process_time()
    assert copies(rows, [1, 2]) == {2: 1}
    assert time.process_time() - began < 2


@given(
    st.lists(st.integers(0, 40), min_size=1, max_size=12, unique=True).map(sorted),
    st.lists(st.integers(0, 40), min_size=1, max_size=12, unique=True).map(sorted),
    st.integers(0, 3),
    st.integers(0, 1000),
)
@settings(deadline=None)
def test_moments_at_the_same_time_are_compared_as_in_a_plain_loop(one_at, other_at, num_steps, seed):
    rng = np.random.default_rng(seed)
    one, other = (rows_at_halves(rng, at) for at in (one_at, other_at))
    offset_us = np.arange(-num_steps, num_steps + 1) * 500_000
    found = overlay.overlaid(one, other, offset_us, tolerance_us=400_000)
    for distance, offset in zip(found, offset_us, strict=True):
        assert distance == pytest.approx(naive_overlay(one, other, int(offset)), abs=1e-6)


def rows_at_halves(rng, at):
    vector = rng.standard_normal((len(at), 4)).astype(np.float32)
    vector /= np.linalg.norm(vector, axis=1, keepdims=True)
    return Rows(vector, np.zeros(len(at), np.int64), np.array(at, np.int64) * 500_000)


def naive_overlay(one, other, offset_us):
    if len(one) < len(other):
        one, other, offset_us = other, one, -offset_us
    cosines = []
    for start_us, vector in zip(one.start_us, one.vector, strict=True):
        gaps = [abs(start_us + offset_us - it) for it in other.start_us]
        if min(gaps) <= 400_000:
            cosines.append(float(vector @ other.vector[int(np.argmin(gaps))]))
    return 1 - float(np.median(cosines)) if len(cosines) >= 0.7 * len(one) else np.inf


def test_the_spread_of_a_library_is_the_mean_distance_of_two_moments():
    rows = Shelf().rows()[IMAGE]
    vector = np.concatenate([segment.vector for segment in rows]).astype(float)
    every = 1 - (vector @ vector.T)[np.triu_indices(len(vector), 1)]
    assert overlay.spread_of(rows) == pytest.approx(every.mean(), abs=0.02)
    assert overlay.spread_of([]) == overlay.SMALLEST_SPREAD
    assert overlay.spread_of([rows[0].take(slice(0, 1))]) == overlay.SMALLEST_SPREAD


def test_a_first_look_never_parts_what_a_second_would_join():
    shelf = Shelf()
    for media_id in range(1, 9):
        shelf.add(media_id, start_s=0.1 * media_id, noise=0.1)
    ids = list(range(1, 9))
    contents = contents_of(shelf.rows(), ids)
    glimpsed = LIMITS.used(contents.glimpsed())
    for one in range(8):
        for other in range(8):
            if LIMITS.used(contents.distances(ids[one], ids[other], LIMITS)) <= 1:
                assert glimpsed[one, other] <= duplicates.LOOSE
