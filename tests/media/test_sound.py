import numpy as np
import pytest

from avsearch import media
from avsearch.errors import MediaError
from avsearch.moments import MediaKind, Span
from tests.media.clips import RATE, ffmpeg, make_clip, tone_of, tones, write_wav


def second(k):
    return Span(k * 1_000_000, (k + 1) * 1_000_000)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.wav", ["-ar", "44100"]),
        ("a.wav", ["-ar", "11025"]),
        ("a.wav", ["-af", "pan=5.1|c0=c0|c1=c0|c2=c0|c3=0*c0|c4=c0|c5=c0"]),
        ("a.flac", ["-ar", "96000", "-ac", "2"]),
        ("a.mp3", ["-ac", "2"]),
        ("a.m4a", []),
        ("a.ogg", ["-c:a", "libvorbis"]),
        ("a.opus", []),
        ("a.aac", []),
    ],
)
def test_each_second_holds_its_tone_whatever_the_rate_and_the_channels(tmp_path, name, options):
    source = write_wav(tmp_path / "tones.wav", tones(4))
    clip = tmp_path / name
    ffmpeg("-i", source, *options, clip)
    info = media.probe(clip)
    assert info.kind is MediaKind.SOUND
    for k in (0, 2, 3):
        waveform = media.read_sound(clip, info, second(k))
        assert waveform.dtype == np.float32
        assert tone_of(waveform[2000:45000]) == pytest.approx(300 * (k + 1), abs=3)
    assert tone_of(np.concatenate(list(media.sound_blocks(clip, info)))[RATE + 4000 : 2 * RATE - 4000]) == (
        pytest.approx(600, abs=3)
    )


def test_samples_lie_at_their_true_time_and_a_seek_changes_nothing(tmp_path):
    clip = make_clip(tmp_path / "a.mp4", frames=100, seconds=4)
    info = media.probe(clip)
    whole = np.concatenate(list(media.sound_blocks(clip, info)))
    part = media.read_sound(clip, info, Span(1_234_567, 2_234_567))
    first = round(1.234567 * RATE)
    assert part.shape == (RATE,)
    assert np.abs(part - whole[first : first + RATE]).max() < 1e-3


def test_a_stream_of_sound_that_starts_later_begins_with_silence(tmp_path):
    picture = make_clip(tmp_path / "p.mp4", frames=75)
    source = write_wav(tmp_path / "tones.wav", tones(2))
    clip = tmp_path / "late.mkv"
    ffmpeg("-i", picture, "-itsoffset", "1", "-i", source, "-map", "0:v", "-map", "1:a", "-c:v", "copy", clip)
    info = media.probe(clip)
    assert np.abs(media.read_sound(clip, info, second(0))).max() < 1e-3
    assert tone_of(media.read_sound(clip, info, second(1))[2000:45000]) == pytest.approx(300, abs=3)
    assert tone_of(media.read_sound(clip, info, second(2))[2000:45000]) == pytest.approx(600, abs=3)


@pytest.mark.parametrize("suffix", [".ts", ".mkv"])
def test_sound_counts_from_the_files_start_time(tmp_path, suffix):
    clip = make_clip(
        tmp_path / f"a{suffix}", frames=75, seconds=3, options=["-output_ts_offset", "5", "-c:a", "aac"]
    )
    info = media.probe(clip)
    assert tone_of(media.read_sound(clip, info, second(1))[4000:44000]) == pytest.approx(600, abs=3)
    assert tone_of(media.read_sound(clip, info, second(2))[4000:44000]) == pytest.approx(900, abs=3)


def test_past_the_end_there_is_nothing(tmp_path):
    clip = write_wav(tmp_path / "a.wav", tones(1.5))
    info = media.probe(clip)
    assert media.read_sound(clip, info, second(1)).shape == (RATE // 2,)
    assert media.read_sound(clip, info, second(7)).shape == (0,)


def two_streams(tmp_path, *options):
    low = write_wav(tmp_path / "low.wav", tones(1))
    high = write_wav(tmp_path / "high.wav", tones(2)[RATE:])
    clip = tmp_path / "two.mkv"
    ffmpeg("-i", low, "-i", high, "-map", "0", "-map", "1", *options, clip)
    return clip


def test_of_several_streams_of_sound_the_default_one_is_read(tmp_path):
    clip = two_streams(tmp_path, "-disposition:a:0", "0", "-disposition:a:1", "default")
    info = media.probe(clip)
    assert info.audio is not None
    assert info.audio.ordinal == 1
    assert tone_of(media.read_sound(clip, info, second(0))) == pytest.approx(600, abs=3)


def test_a_stream_of_sound_can_be_chosen_and_must_exist(tmp_path):
    clip = two_streams(tmp_path)
    info = media.probe(clip, audio_stream=1)
    assert tone_of(media.read_sound(clip, info, second(0))) == pytest.approx(600, abs=3)
    with pytest.raises(MediaError, match="2 sound streams"):
        media.probe(clip, audio_stream=2)


def test_a_silent_film_has_no_sound_to_read(tmp_path):
    clip = make_clip(tmp_path / "silent.mp4")
    info = media.probe(clip)
    assert info.audio is None
    with pytest.raises(MediaError, match="no sound"):
        media.read_sound(clip, info, second(0))


def test_cover_art_is_no_video(tmp_path):
    source = write_wav(tmp_path / "tones.wav", tones(1))
    cover = tmp_path / "cover.png"
    ffmpeg("-f", "lavfi", "-i", "color=red:size=64x64:rate=1:duration=1", "-frames:v", "1", cover)
    song = tmp_path / "song.mp3"
    ffmpeg("-i", source, "-i", cover, "-map", "0", "-map", "1", "-disposition:v", "attached_pic", song)
    info = media.probe(song)
    assert (info.kind, info.video) == (MediaKind.SOUND, None)
