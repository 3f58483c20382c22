"""The one pass gives what the slow and certain ways give: exact frames by their times, sound by itself."""

import shutil

import numpy as np
import pytest

from avsearch import media
from avsearch.errors import MediaError
from tests.media.clips import ffmpeg, make_clip, number_of, tone_of, tones, write_wav


def read(path, **options):
    info = media.probe(path)
    found = list(media.read_pass(path, info, short_side=120, **options))
    frames = [it for it in found if isinstance(it, media.Frame)]
    return info, frames, [it for it in found if isinstance(it, media.Second)]


@pytest.mark.parametrize("rate", ["25", "24000/1001", "30000/1001", "50"])
@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "mov"])
def test_keyframes_have_their_true_times_and_sound_is_where_it_is(tmp_path, rate, suffix):
    clip = make_clip(tmp_path / f"a.{suffix}", frames=200, rate=rate, seconds=4, gop=60)
    info, frames, seconds = read(clip)
    times = media.frame_times(clip, info)
    expected = [time for time in times.times_us[times.is_key].tolist() if time >= 0]
    kept = [expected[0]]
    for time in expected:
        if time - kept[-1] >= 999_000:
            kept.append(time)
    assert [frame.time_us for frame in frames] == kept
    numbers = [int(np.flatnonzero(times.times_us == frame.time_us)[0]) for frame in frames]
    assert [number_of(frame.rgb) for frame in frames] == numbers
    alone = list(media.sound_seconds(clip, info))
    assert [second.start_us for second in seconds] == [second.start_us for second in alone]
    for one, other in zip(seconds, alone, strict=True):
        np.testing.assert_array_equal(one.waveform, other.waveform)


def test_footage_of_keyframes_only_gives_one_frame_a_second(tmp_path):
    clip = make_clip(tmp_path / "a.mov", frames=100, gop=1)
    _, frames, seconds = read(clip)
    assert [number_of(frame.rgb) for frame in frames] == [0, 25, 50, 75]
    assert seconds == []


def test_with_a_gap_frames_are_taken_where_no_keyframe_comes(tmp_path):
    clip = make_clip(tmp_path / "a.mp4", frames=250, gop=150)
    _, frames, _ = read(clip, gap_us=2_000_000)
    assert [frame.time_us for frame in frames] == [0, 2_000_000, 4_000_000, 6_000_000, 8_000_000]
    assert [number_of(frame.rgb) for frame in frames] == [0, 50, 100, 150, 200]


def test_an_avi_with_delayed_frames_is_read_as_a_whole_since_its_times_are_counted(tmp_path):
    mp4 = make_clip(tmp_path / "a.mp4", frames=100, gop=50)
    ffmpeg("-i", mp4, "-c:v", "mpeg4", "-bf", "2", "-g", "50", "-q:v", "2", tmp_path / "a.avi")
    info, frames, _ = read(tmp_path / "a.avi")
    exact = list(media.read_frames(tmp_path / "a.avi", info, [f.time_us for f in frames], short_side=120))
    assert len(frames) == 4
    for one, other in zip(frames, exact, strict=True):
        assert one.time_us == other.time_us
        np.testing.assert_array_equal(one.rgb, other.rgb)


def test_a_sound_file_and_a_picture_take_the_same_way(tmp_path):
    write_wav(tmp_path / "a.wav", tones(2.5))
    _, frames, seconds = read(tmp_path / "a.wav")
    assert frames == []
    assert [second.start_us for second in seconds] == [0, 1_000_000, 2_000_000]
    assert tone_of(seconds[1].waveform) == pytest.approx(600, abs=2)
    ffmpeg("-f", "lavfi", "-i", "color=red:s=200x100", "-frames:v", "1", tmp_path / "a.png")
    _, frames, seconds = read(tmp_path / "a.png")
    assert (frames[0].time_us, frames[0].rgb.shape, seconds) == (0, (120, 240, 3), [])


def test_sound_that_starts_late_and_pictures_that_start_late_keep_their_times(tmp_path):
    clip = make_clip(tmp_path / "a.mp4", frames=100, gop=25)
    sound = write_wav(tmp_path / "a.wav", tones(3))
    late = tmp_path / "late.mkv"
    ffmpeg("-i", clip, "-itsoffset", "1.5", "-i", sound, "-c:v", "copy", "-c:a", "flac", late)
    _, _, seconds = read(late)
    whole = np.concatenate([second.waveform for second in seconds])
    assert np.abs(whole[: 48_000 + 20_000]).max() < 1e-4
    assert tone_of(whole[75_000:115_000]) == pytest.approx(300, abs=2)
    ffmpeg("-i", sound, "-itsoffset", "1.5", "-i", clip, "-c:v", "copy", "-c:a", "flac", late)
    _, frames, _ = read(late)
    assert [frame.time_us for frame in frames] == [1_500_000, 2_500_000, 3_500_000, 4_500_000]
    assert [number_of(frame.rgb) for frame in frames] == [0, 25, 50, 75]


@pytest.mark.slow
def test_a_long_file_is_read_piece_by_piece(tmp_path):
    """The first pieces come while the process is still running: nothing waits for the end."""
    source = ["-f", "lavfi", "-i", "testsrc=s=64x48:r=5:d=2000", "-f", "lavfi", "-i", "sine=d=2000"]
    ffmpeg(*source, "-c:v", "libx264", "-preset", "ultrafast", "-g", "5", "-c:a", "pcm_s16le", tmp_path / "a.mkv")
    info = media.probe(tmp_path / "a.mkv")
    pieces = media.read_pass(tmp_path / "a.mkv", info, short_side=48)
    first = [next(pieces) for _ in range(20)]
    assert max(it.time_us if isinstance(it, media.Frame) else it.start_us for it in first) < 60_000_000
    pieces.close()


def test_a_decoder_that_fails_is_a_sentence_about_the_file(tmp_path):
    clip = make_clip(tmp_path / "a.mp4", frames=20)
    info = media.probe(clip)
    shutil.copy(__file__, clip)
    with pytest.raises(MediaError, match=r"a\.mp4"):
        list(media.read_pass(clip, info, short_side=64))
