"""Which way a file is read, and that each gives the same moments."""

from dataclasses import replace

import pytest

from avsearch import media
from avsearch.errors import MediaError
from avsearch.moments import Modality
from indexer.streams import Decoding, Unreadable, is_short, read_streams
from tests.media.clips import ffmpeg, make_clip, number_of

HOW = Decoding(short_side=120, gap_us=2_000_000, num_threads=1)


def times(path, info=None):
    found = list(read_streams(path, info or media.probe(path), HOW))
    return [it for it in found if isinstance(it, media.Frame)], [it for it in found if isinstance(it, media.Second)]


@pytest.fixture
def prores(tmp_path):
    """Ten seconds of pictures, twelve of sound, too large to be short."""
    clip = make_clip(tmp_path / "a.mp4", frames=250, size=(640, 480), seconds=12)
    codec = ["-c:v", "prores_ks", "-profile:v", "proxy", "-pix_fmt", "yuv422p10le", "-c:a", "pcm_s16le"]
    ffmpeg("-i", clip, *codec, tmp_path / "a.mov")
    return tmp_path / "a.mov"


def test_footage_of_keyframes_gives_one_frame_a_second_also_where_the_sound_goes_on(prores):
    frames, seconds = times(prores)
    assert [frame.time_us for frame in frames] == [second * 1_000_000 for second in range(10)]
    assert [number_of(frame.rgb) for frame in frames] == [second * 25 for second in range(10)]
    assert len(seconds) == 12


def test_a_short_clip_is_read_at_once_and_a_long_one_by_its_keyframes(tmp_path, prores):
    short, large = media.probe(make_clip(tmp_path / "s.mp4", frames=50)), media.probe(prores)
    assert is_short(short)
    assert not is_short(large)
    assert not is_short(replace(short, duration_us=0))


def test_where_one_side_cannot_be_decoded_the_other_one_is_kept_and_the_reason_told(tmp_path):
    clip = make_clip(tmp_path / "a.mp4", frames=50, seconds=2)
    info = media.probe(clip)
    assert info.audio is not None
    broken = replace(info, audio=replace(info.audio, index=7))  # a stream that is not there
    found = list(read_streams(clip, broken, HOW))
    assert any(isinstance(it, media.Frame) for it in found)
    [failure] = [it for it in found if isinstance(it, Unreadable)]
    assert failure.modality is Modality.AUDIO
    assert failure.reason
    assert info.video is not None
    nothing = replace(broken, video=replace(info.video, index=8))
    with pytest.raises(MediaError):
        list(read_streams(clip, nothing, HOW))
