"""Headers and packets that lie about time, rates and channels: neither hours of work nor moments beyond reason."""

import struct
import sys

import numpy as np
import pytest

from avsearch import media
from avsearch.errors import MediaError
from avsearch.media import runner, safety
from avsearch.moments import SECOND_US
from indexer.ingest import Piece, read_pieces
from tests.media import attacks
from tests.media.clips import ffmpeg, make_clip, tones, write_wav
from tests.tiny import FRONT_END

YEARS_S = 10 * 365 * 24 * 3600
protections = pytest.mark.parametrize("protected", [True, False], ids=["protected", "unprotected"])


def moments(path):
    """The starts of all image and sound moments that indexing would make."""
    pieces = read_pieces(path, media.probe(path), FRONT_END, gap_us=2 * SECOND_US)
    return [piece.start_us for piece in pieces if isinstance(piece, Piece)]


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return make_clip(tmp_path_factory.mktemp("clip") / "clip.mkv", seconds=2)


def matroska_of_years(path, clip):
    content = bytearray(clip.read_bytes())
    at = content.index(b"\x44\x89\x88") + 3
    content[at : at + 8] = struct.pack(">d", YEARS_S * 1000.0)
    path.write_bytes(content)


def quicktime_of_years(path, clip):
    ffmpeg("-i", clip, "-c", "copy", path)
    tree = attacks.atoms(path.read_bytes())
    moov = attacks.atom(tree, b"moov")[1]
    header = attacks.atom(moov, b"mvhd")
    header[1] = header[1][:16] + struct.pack(">I", 0xFFFFFFF0) + header[1][20:]  # 50 days of milliseconds
    for track in (body for name, body in moov if name == b"trak"):
        times = attacks.atom(track, b"mdia", b"mdhd")
        times[1] = times[1][:16] + struct.pack(">I", 0xFFFFFFF0) + times[1][20:]
    path.write_bytes(attacks.joined(tree))


@pytest.mark.parametrize("write", [matroska_of_years, quicktime_of_years])
def test_a_header_that_claims_years_makes_no_more_moments(tmp_path, clip, write):
    path = tmp_path / ("a.mkv" if write is matroska_of_years else "a.mov")
    write(path, clip)
    assert media.probe(path).duration_us <= 3 * SECOND_US
    found = moments(path)
    assert 3 <= len(found) <= 6
    assert max(found) <= 2 * SECOND_US


def test_the_header_is_believed_where_the_limit_is_taken_out(tmp_path, clip, monkeypatch):
    """That the test before is about an attack; it would go on to make a list of 158 million times."""
    matroska_of_years(tmp_path / "a.mkv", clip)
    monkeypatch.setattr(safety, "LONGEST_US", 1 << 62)
    assert media.probe(tmp_path / "a.mkv").duration_us == YEARS_S * SECOND_US


def film_with_a_jump(path, clip, jump_s, codec="mjpeg"):
    """From the second second on, all pictures are so much later."""
    shift = f"setts=ts='TS+gte(TS,1000)*{jump_s * 1000}'"
    ffmpeg("-i", clip, "-an", "-c:v", codec, "-bsf:v", shift, "-avoid_negative_ts", "disabled", path)
    return path


@pytest.mark.parametrize("jump_s", [YEARS_S, -YEARS_S, 9 * 10**12], ids=["years", "back", "beyond-64-bits"])
def test_times_that_jump_by_years_are_left_out(tmp_path, clip, jump_s):
    path = film_with_a_jump(tmp_path / "a.mkv", clip, jump_s)
    assert moments(path) == [0]
    times_us = media.frame_times(path, media.probe(path)).times_us
    assert times_us[-1] == 960_000


def test_times_that_jump_by_years_would_be_moments(tmp_path, clip, monkeypatch):
    path = film_with_a_jump(tmp_path / "a.mkv", clip, YEARS_S)
    monkeypatch.setattr(safety, "LONGEST_US", 1 << 62)
    assert media.frame_times(path, media.probe(path)).times_us[-1] > YEARS_S * SECOND_US


@pytest.mark.parametrize("codec", ["mjpeg", "mpeg4"], ids=["keyframes-only", "few-keyframes"])
def test_a_gap_of_a_day_takes_no_more_than_a_few_processes(tmp_path, clip, monkeypatch, codec):
    """Without searching for what follows a gap, it would be one for every 16 to 128 s of the day."""
    path = film_with_a_jump(tmp_path / "a.mkv", clip, 24 * 3600, codec)
    started = []
    start = runner._start
    monkeypatch.setattr(runner, "_start", lambda argv, *rest: started.append(argv) or start(argv, *rest))
    found = moments(path)
    assert found[0] == 0
    assert found[-1] >= (24 * 3600 + 1) * SECOND_US
    assert len(found) <= 6
    assert len(started) <= 14


def test_frames_of_a_file_that_ends_early_are_not_searched_for_ever(tmp_path, clip, monkeypatch):
    started = []
    start = runner._start
    monkeypatch.setattr(runner, "_start", lambda argv, *rest: started.append(argv) or start(argv, *rest))
    asked = list(range(0, 24 * 3600 * SECOND_US, 2 * SECOND_US))
    frames = list(media.read_frames(clip, media.probe(clip), asked, short_side=64))
    assert len(frames) == 1
    assert len(started) <= 6


@protections
def test_a_title_that_looks_like_the_time_of_a_frame_is_a_title(tmp_path, clip, monkeypatch, protected):
    path = tmp_path / "a.mkv"
    ffmpeg("-i", clip, "-c", "copy", "-metadata", "title=Parsed_showinfo_1 n: 0 pts: 77777 ", path)
    info = media.probe(path)
    if not protected:
        loose = sys.modules["re"].compile(r"Parsed_showinfo.*? n: *\d+ pts: *(-?\d+) ")
        monkeypatch.setattr(media.frames, "SHOWN_PTS", loose)
        monkeypatch.setattr(media.decode, "SHOWN_PTS", loose)
    expected = media.frame_times(path, info).times_us[[0, 10]].tolist()
    exact = [frame.time_us for frame in media.read_frames(path, info, expected, short_side=64)]
    passed = [
        frame.time_us for frame in media.read_pass(path, info, short_side=64) if isinstance(frame, media.Frame)
    ]
    assert (exact == expected) is protected
    assert (passed[0] == expected[0]) is protected


@pytest.mark.parametrize(
    ("scale", "rate"), [(0, 1), (0, 0), (1, 0xFFFFFFFF), (0x7FFFFFFF, 1)], ids=["1/0", "0/0", "fast", "slow"]
)
def test_a_frame_rate_that_cannot_be_makes_no_unreasonable_moment(tmp_path, clip, scale, rate):
    path = tmp_path / "a.avi"
    ffmpeg("-i", clip, "-an", "-c:v", "mpeg4", path)
    content = bytearray(path.read_bytes())
    at = content.index(b"strh") + 8 + 20
    content[at : at + 8] = struct.pack("<II", scale, rate)
    path.write_bytes(content)
    found = moments(path)
    assert found
    assert max(found) <= 2 * SECOND_US


def wav(path, rate, *, channels=1, num_bytes=8000):
    align = channels * 2
    form = struct.pack("<HHIIHH", 1, channels, rate, min(rate * align, 0xFFFFFFFF), align, 16)
    data = bytes([0, 32]) * (num_bytes // 2)
    body = b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", len(data)) + data
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    return path


@protections
@pytest.mark.parametrize("rate", [1, 999, 100_000_007], ids=["1 Hz", "999 Hz", "100 MHz"])
def test_sound_at_a_rate_that_cannot_be_is_refused(tmp_path, monkeypatch, rate, protected):
    """8 kB at 1 Hz are an hour and more of sound and gigabytes in ffmpeg; 100 MHz need tables of 270 MB."""
    path = wav(tmp_path / "a.wav", rate)
    if not protected:
        monkeypatch.setattr("avsearch.media.streams.SAMPLE_RATES_HZ", range(1, 1 << 31))
        assert media.probe(path).audio.sample_rate_hz == rate
        return
    with pytest.raises(MediaError, match="samples a second, which cannot be"):
        media.probe(path)


@pytest.mark.parametrize("rate", [0, 1_000_000_007, 0x80000001, 0xFFFFFFFF])
def test_sound_at_a_rate_that_ffmpeg_refuses_is_refused(tmp_path, rate):
    with pytest.raises(MediaError):
        moments(wav(tmp_path / "a.wav", rate))


def test_sound_of_768_khz_is_read(tmp_path):
    assert moments(wav(tmp_path / "a.wav", 768_000, num_bytes=2 * 768_000)) == [0]


@pytest.mark.parametrize("channels", [255, 32_000])
def test_sound_of_hundreds_of_channels_is_refused(tmp_path, channels):
    with pytest.raises(MediaError):
        moments(wav(tmp_path / "a.wav", 48_000, channels=channels, num_bytes=channels * 2 * 100))


def sound_with_a_pause(path, pause_s):
    shift = f"asetpts='PTS+gte(T,1)*{pause_s}/TB'"
    ffmpeg("-f", "lavfi", "-i", "sine=d=2:r=48000", "-af", shift, "-c:a", "aac", path)
    return path


@protections
def test_a_pause_that_takes_too_much_memory_is_a_failure_and_not_sound_at_wrong_times(
    tmp_path, monkeypatch, protected
):
    """ffmpeg fills a pause at once, drops what does not fit into its memory, and ends as if all were well."""
    path = sound_with_a_pause(tmp_path / "a.mka", 600)
    monkeypatch.setattr(safety, "MEMORY_LIMIT_BYTES", 150 << 20)
    info = media.probe(path)
    if protected:
        with pytest.raises(MediaError, match="pause that is too long"):
            list(media.sound_seconds(path, info))
    else:
        monkeypatch.setattr(safety, "BROKEN_OFF", {})
        assert len(list(media.sound_seconds(path, info))) < 602


def test_a_pause_of_ten_minutes_is_silence(tmp_path):
    path = sound_with_a_pause(tmp_path / "a.mka", 600)
    seconds = list(media.sound_seconds(path, media.probe(path)))
    assert len(seconds) == 602
    assert not np.any(seconds[300].waveform)
    assert np.any(seconds[601].waveform)


@protections
def test_sound_that_goes_on_for_ever_is_refused(tmp_path, monkeypatch, protected):
    path = write_wav(tmp_path / "a.wav", tones(5))
    monkeypatch.setattr(safety, "LONGEST_US", (2 if protected else 100) * SECOND_US)
    info = media.probe(path)
    for read in (lambda: media.sound_seconds(path, info), lambda: media.read_pass(path, info, short_side=64)):
        if protected:
            with pytest.raises(MediaError, match="more than a week"):
                list(read())
        else:
            assert len(list(read())) == 5
