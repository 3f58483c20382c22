"""Truth here: films whose frames are numbered, and a plain loop over all frames of others."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from avsearch import media
from avsearch.errors import MediaError
from avsearch.front_end import FrontEnd
from avsearch.media import looks
from avsearch.media.looks import nearest_times
from tests.media.clips import make_clip, number_of, tones, write_wav
from tests.media.naive import all_frames, naive_burst
from tests.tiny import make_film

ONE = FrontEnd(image_side=48, short_side=56, window=960, hop=960, n_fft=1024, num_bands=48)
FIVE = replace(ONE, num_frames=5)


@pytest.mark.parametrize("rate", ["25", "24000/1001", "30000/1001", "50", "10"])
def test_each_moment_gives_the_frames_nearest_to_40_ms_apart(tmp_path, rate, monkeypatch):
    monkeypatch.setattr(looks, "MOMENTS_AT_A_TIME", 3)
    path = make_film(tmp_path / "film.mp4", seed=1, seconds=2, rate=rate)
    frames = all_frames(path, ONE)
    apart = max(len(frames) // 7, 1)
    moments = sorted({frames[-1][0], *(time for time, _ in frames[::apart])})
    found = list(media.read_looks(path, media.probe(path), moments, front_end=FIVE))
    assert [look.time_us for look in found] == moments
    for look in found:
        assert (look.pixels.shape, look.pixels.dtype) == ((5, 48, 48, 3), np.uint8)
        np.testing.assert_array_equal(look.pixels, naive_burst(frames, look.time_us, 5))


def test_the_first_and_the_last_frame_are_repeated_where_the_file_ends(tmp_path):
    path = make_clip(tmp_path / "a.mp4", frames=50, size=(120, 120))
    info, whole = media.probe(path), replace(FIVE, image_side=120, short_side=120)
    first, middle, last = media.read_looks(path, info, [0, 1_000_000, 49 * 40_000], front_end=whole)
    assert [number_of(frame) for frame in middle.pixels] == [23, 24, 25, 26, 27]
    assert [number_of(frame) for frame in first.pixels] == [0, 0, 0, 1, 2]
    assert [number_of(frame) for frame in last.pixels] == [47, 48, 49, 49, 49]


def test_with_one_frame_a_moment_its_own_square_comes(tmp_path):
    path = make_film(tmp_path / "film.mp4", seed=1, seconds=1)
    frames = all_frames(path, ONE)
    found = list(media.read_looks(path, media.probe(path), [0, 400_000], front_end=ONE))
    assert [look.time_us for look in found] == [0, 400_000]
    for look, (_, square) in zip(found, frames[::10], strict=False):
        np.testing.assert_array_equal(look.pixels, square)


def test_a_still_picture_is_seen_again_and_again(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (56, 80, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    [look] = media.read_looks(tmp_path / "a.png", media.probe(tmp_path / "a.png"), [0], front_end=FIVE)
    assert look.pixels.shape == (5, 48, 48, 3)
    assert all((frame == pixels[4:52, 16:64]).all() for frame in look.pixels)


def test_no_times_cost_nothing_and_a_file_without_pictures_says_so(tmp_path):
    write_wav(tmp_path / "a.wav", tones(1.0))
    info = media.probe(tmp_path / "a.wav")
    assert list(media.read_looks(tmp_path / "none.wav", info, [], front_end=FIVE)) == []
    with pytest.raises(MediaError, match="no pictures"):
        list(media.read_looks(tmp_path / "a.wav", info, [0], front_end=FIVE))


def test_the_nearest_time_is_that_of_a_plain_search():
    rng = np.random.default_rng(0)
    for _ in range(50):
        shown = np.unique(rng.integers(0, 60, rng.integers(1, 12)))
        wanted = rng.integers(-10, 70, 20)
        found = shown[nearest_times(shown, wanted)]
        assert found.tolist() == [min(shown.tolist(), key=lambda it, at=at: (abs(it - at), it)) for at in wanted]
