"""A seek to each frame gives what decoding everything gives."""

import numpy as np
import pytest

from avsearch import media
from avsearch.errors import MediaError
from tests.media.clips import ffmpeg, make_clip, number_of

CODECS = {
    "prores.mov": ["-c:v", "prores_ks", "-pix_fmt", "yuv422p10le"],
    "dnxhr.mxf": ["-c:v", "dnxhd", "-profile:v", "dnxhr_lb", "-pix_fmt", "yuv422p"],
    "mjpeg.mov": ["-c:v", "mjpeg", "-q:v", "3", "-pix_fmt", "yuvj422p"],
}


@pytest.mark.parametrize("name", CODECS)
@pytest.mark.parametrize("rate", ["25", "24000/1001"])
def test_frames_are_those_of_a_full_decoding_at_their_true_times(tmp_path, name, rate):
    make_clip(tmp_path / "a.mp4", frames=90, rate=rate, size=(320, 240))
    ffmpeg("-i", tmp_path / "a.mp4", *CODECS[name], tmp_path / name)
    info = media.probe(tmp_path / name)
    assert media.is_intra(info)
    marks = [0, 1_000_000, 2_000_000, 3_000_000, 3_400_000]
    frames = list(media.read_intra_frames(tmp_path / name, info, marks, short_side=120))
    exact = list(media.read_frames(tmp_path / name, info, marks, short_side=120))
    assert [frame.time_us for frame in frames] == [frame.time_us for frame in exact]
    for one, other in zip(frames, exact, strict=True):
        np.testing.assert_array_equal(one.rgb, other.rgb)
    times = media.frame_times(tmp_path / name, info).times_us
    assert [number_of(frame.rgb) for frame in frames] == np.searchsorted(times, marks).tolist()


def test_more_times_than_one_process_takes(tmp_path):
    make_clip(tmp_path / "a.mp4", frames=240, size=(64, 48))
    ffmpeg("-i", tmp_path / "a.mp4", *CODECS["mjpeg.mov"], tmp_path / "a.mov")
    info = media.probe(tmp_path / "a.mov")
    marks = list(range(0, 9_500_000, 250_000))
    frames = list(media.read_intra_frames(tmp_path / "a.mov", info, marks, short_side=48))
    times = media.frame_times(tmp_path / "a.mov", info).times_us
    assert [frame.time_us for frame in frames] == times[np.searchsorted(times, marks)].tolist()


def test_a_time_past_the_end_is_an_error_and_not_a_shorter_list(tmp_path):
    make_clip(tmp_path / "a.mp4", frames=30, size=(64, 48))
    ffmpeg("-i", tmp_path / "a.mp4", *CODECS["mjpeg.mov"], tmp_path / "a.mov")
    info = media.probe(tmp_path / "a.mov")
    with pytest.raises(MediaError):
        list(media.read_intra_frames(tmp_path / "a.mov", info, [0, 5_000_000], short_side=48))


def test_what_has_other_frames_or_no_sure_times_is_not_sought_in(tmp_path):
    clip = make_clip(tmp_path / "a.mp4", frames=30, size=(64, 48))
    assert not media.is_intra(media.probe(clip))
    ffmpeg("-i", clip, *CODECS["mjpeg.mov"], tmp_path / "a.avi")
    assert not media.is_intra(media.probe(tmp_path / "a.avi"))
    ffmpeg("-i", clip, "-r", "1", *CODECS["mjpeg.mov"], tmp_path / "slow.mov")
    assert not media.is_intra(media.probe(tmp_path / "slow.mov"))
