"""Sound as editors and recordists have it, made by ffmpeg: each second holds its tone, and no track is lost."""

from dataclasses import dataclass

import numpy as np
import pytest

from avsearch import media
from avsearch.moments import MediaKind
from tests.media.clips import RATE, ffmpeg, tone_of, tones, write_wav
from tests.media.test_formats import SECOND_US, SECONDS, needs, tones_of


@dataclass(frozen=True)
class Sound:
    """How tones are coded."""

    name: str
    options: str
    says: str
    num_channels: int = 1

    def __str__(self):
        return f"{self.says} {self.options} in {self.name}"


SOUNDS = [
    Sound("bwf.wav", "-write_bext 1 -metadata description=take -metadata time_reference=48000", "pcm_s16le"),
    Sound("rf64.wav", "-rf64 always -write_bext 1", "pcm_s16le"),
    Sound("a.wav", "-c:a pcm_s24le", "pcm_s24le"),
    Sound("a.wav", "-c:a pcm_s32le", "pcm_s32le"),
    Sound("a.wav", "-c:a pcm_f32le", "pcm_f32le"),
    Sound("a.wav", "-c:a pcm_f64le", "pcm_f64le"),
    Sound("a.wav", "-c:a pcm_u8", "pcm_u8"),
    Sound("a.wav", "-c:a pcm_alaw -ar 16000", "pcm_alaw"),
    Sound("a.wav", "-c:a pcm_s24le -ar 192000", "pcm_s24le"),
    Sound("a.wav", "-c:a pcm_s24le -ac 2", "pcm_s24le", 2),
    Sound("a.wav", "-c:a pcm_f32le -af pan=5.1|c0=c0|c1=c0|c2=c0|c3=0*c0|c4=c0|c5=c0", "pcm_f32le", 6),
    Sound("a.wav", "-c:a pcm_s24le -af pan=7.1|c0=c0|c1=c0|c2=c0|c3=c0|c4=c0|c5=c0|c6=c0|c7=c0", "pcm_s24le", 8),
    Sound("a.w64", "-c:a pcm_s24le", "pcm_s24le"),
    Sound("a.aiff", "-c:a pcm_s24be", "pcm_s24be"),
    Sound("a.aif", "-c:a pcm_s16be -ac 2", "pcm_s16be", 2),
    Sound("a.aifc", "-c:a pcm_s16le -f aiff", "pcm_s16le"),
    Sound("a.caf", "-c:a pcm_s24le", "pcm_s24le"),
    Sound("a.caf", "-c:a alac", "alac"),
    Sound("a.flac", "-c:a flac -sample_fmt s32", "flac"),
    Sound("a.opus", "-c:a libopus", "opus"),
    Sound("a.m4a", "-c:a alac", "alac"),
    Sound("a.wv", "-c:a wavpack", "wavpack"),
    Sound("a.mxf", "-c:a pcm_s16le -f mxf_opatom", "pcm_s16le"),
    Sound("a.mka", "-c:a libvorbis", "vorbis"),
    Sound("a.wma", "-c:a wmav2", "wmav2"),
    Sound("a.au", "-c:a pcm_s16be", "pcm_s16be"),
]


@pytest.mark.parametrize("sound", SOUNDS, ids=str)
def test_sound_of_any_coding_lies_at_its_time(tmp_path, sound):
    options = sound.options.split()
    if "-c:a" in options:
        needs(options[options.index("-c:a") + 1])
    path = tmp_path / sound.name
    ffmpeg("-i", write_wav(tmp_path / "tones.wav", tones(SECONDS)), *options, path)
    info = media.probe(path)
    assert (info.kind, info.video) == (MediaKind.SOUND, None)
    assert (info.audio.codec, info.audio.num_channels) == (sound.says, sound.num_channels)
    assert info.duration_us == pytest.approx(SECONDS * SECOND_US, abs=150_000)
    assert tones_of(path, info)[:SECONDS] == [1, 2, 3]
    last = media.read_sound(path, info, media.sound.Span(2 * SECOND_US, 3 * SECOND_US))
    assert tone_of(last[4000:44000]) == pytest.approx(900, abs=3)


@pytest.mark.parametrize("num_channels", [3, 4, 6, 8, 9, 10, 12, 16, 20, 24, 32])
@pytest.mark.parametrize("channel", ["first", "fourth", "last"])
def test_every_track_of_a_field_recorder_is_heard(tmp_path, num_channels, channel):
    """Poly WAV: tracks, and no loudspeakers; none of them may be left out of the mix, wherever it stands."""
    number = {"first": 0, "fourth": min(3, num_channels - 1), "last": num_channels - 1}[channel]
    samples = np.zeros((RATE, num_channels), "<i2")
    samples[:, number] = tones(1) * 32767
    raw = ["-f", "s16le", "-ar", RATE, "-ac", num_channels, "-i", "pipe:0"]
    ffmpeg(*raw, "-c:a", "pcm_s24le", tmp_path / "poly.wav", stdin=samples.tobytes())
    info = media.probe(tmp_path / "poly.wav")
    assert info.audio.num_channels == num_channels
    waveform = media.read_sound(tmp_path / "poly.wav", info, media.sound.Span(0, SECOND_US))
    assert tone_of(waveform) == pytest.approx(300, abs=3)
    assert np.abs(waveform).max() > 0.4 / num_channels
