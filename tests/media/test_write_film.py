"""Truth here: ffprobe, and what ffmpeg decodes from the film."""

import errno
import itertools
import json
import os
import subprocess
from fractions import Fraction

import numpy as np
import pytest

from avsearch.errors import MediaError
from avsearch.media import probe, write_film
from avsearch.media.write_film import FilmSound, written_film
from avsearch.moments import Span
from tests.media.clips import ffmpeg, make_clip, number_of, numbered_frames, tone_of

SIZE = (320, 240)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Four seconds; second k is a tone of 300 (k + 1) Hz."""
    return make_clip(tmp_path_factory.mktemp("source") / "source.mp4", frames=100, seconds=4)


def sound_of(path, span=None):
    return FilmSound(path, probe(path), span)


def write(path, sound, *, count, rate=Fraction(25)):
    write_frames(path, sound, numbered_frames(count), rate=rate)


def write_frames(path, sound, frames, *, rate=Fraction(25)):
    with written_film(path, sound, size=SIZE, rate=rate) as take:
        for frame in frames:
            take(frame)


def probed(path):
    command = ["ffprobe", "-v", "error", "-of", "json", "-show_format", "-show_streams", str(path)]
    report = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    streams = {stream["codec_type"]: stream for stream in report["streams"]}
    return streams["video"], streams["audio"], float(report["format"]["duration"])


def decoded(path, *options):
    command = ["ffmpeg", "-v", "error", "-i", str(path), *options, "-"]
    return subprocess.run(command, capture_output=True, check=True).stdout


def heard(path):
    return np.frombuffer(decoded(path, "-f", "f32le", "-ac", "1", "-ar", "48000"), np.float32)


@pytest.mark.parametrize("rate", [25, Fraction(24000, 1001)])
def test_a_film_has_all_frames_and_the_sound_of_the_other_file(tmp_path, source, rate):
    write(tmp_path / "film.mp4", sound_of(source), count=96, rate=Fraction(rate))
    video, audio, duration_s = probed(tmp_path / "film.mp4")
    assert (video["codec_name"], video["pix_fmt"], video["width"], video["height"]) == ("h264", "yuv420p", 320, 240)
    assert (Fraction(video["r_frame_rate"]), int(video["nb_frames"])) == (rate, 96)
    assert (audio["codec_name"], audio["sample_rate"], audio["channels"]) == ("aac", "48000", 1)
    assert float(video["start_time"]) == float(audio["start_time"]) == 0
    assert duration_s == pytest.approx(max(96 / rate, 4), abs=0.05)
    pixels = np.frombuffer(decoded(tmp_path / "film.mp4", "-f", "rawvideo", "-pix_fmt", "rgb24"), np.uint8)
    assert [number_of(frame) for frame in pixels.reshape(-1, 240, 320, 3)] == list(range(96))


def test_the_sound_of_a_stretch_begins_with_the_first_frame_to_a_hundredth_of_a_second(tmp_path, source):
    """The tone changes at whole seconds: after 0.3 s of a stretch that begins 0.3 s before one."""
    write(tmp_path / "film.mp4", sound_of(source, Span(1_700_000, 3_000_000)), count=32)
    found = heard(tmp_path / "film.mp4")
    assert abs(len(found) - 1.3 * 48_000) <= 1024  # a packet of AAC
    assert tone_of(found[2_000:14_000]) == pytest.approx(600, abs=5)
    assert tone_of(found[15_000:60_000]) == pytest.approx(900, abs=5)
    window = 960
    steps = np.arange(12_000, 17_000, 240)
    is_second_tone = [abs(tone_of(found[at : at + window]) - 900) < 150 for at in steps]
    change = steps[int(np.argmax(is_second_tone))] + window / 2
    assert change / 48_000 == pytest.approx(0.3, abs=0.015)


@pytest.mark.parametrize(
    ("suffix", "options"),
    [(".ts", ["-c:v", "copy", "-c:a", "mp2"]), (".mkv", ["-c:v", "copy", "-c:a", "pcm_s16le"]),
     (".mov", ["-c:v", "copy", "-c:a", "alac"])],
)  # fmt: skip
def test_sound_that_an_mp4_cannot_hold_is_coded_anew_at_its_time(tmp_path, source, suffix, options):
    other = tmp_path / f"other{suffix}"
    ffmpeg("-i", source, *options, other)
    write(tmp_path / "film.mp4", sound_of(other, Span(2_000_000, 3_000_000)), count=25)
    assert tone_of(heard(tmp_path / "film.mp4")[4_800:43_200]) == pytest.approx(900, abs=5)


def test_two_channels_stay_and_the_tracks_of_a_recorder_become_two(tmp_path, source):
    for channels, expected in ((2, 2), (6, 2)):
        other = tmp_path / f"{channels}.wav"
        ffmpeg("-i", source, "-vn", "-ac", channels, other)
        write(tmp_path / f"{channels}.mp4", sound_of(other), count=10)
        assert probed(tmp_path / f"{channels}.mp4")[1]["channels"] == expected


def test_colours_are_those_of_the_frames(tmp_path, source):
    colours = np.array([[200, 40, 40], [40, 180, 60], [50, 70, 210]], np.uint8)
    write_frames(tmp_path / "film.mp4", sound_of(source), [np.broadcast_to(it, (240, 320, 3)) for it in colours])
    pixels = np.frombuffer(decoded(tmp_path / "film.mp4", "-f", "rawvideo", "-pix_fmt", "rgb24"), np.uint8)
    np.testing.assert_allclose(pixels.reshape(3, -1, 3).mean(axis=1), colours, atol=4)


def test_what_a_failure_leaves_is_the_old_film_alone(tmp_path, source):
    film = tmp_path / "film.mp4"
    film.write_bytes(b"old")
    frames = (np.full((240, 320, 3), 1 // (2 - number), np.uint8) for number in range(5))  # the third one fails
    with pytest.raises(ZeroDivisionError):
        write_frames(film, sound_of(source), frames)
    assert [path.name for path in tmp_path.iterdir()] == ["film.mp4"]
    assert film.read_bytes() == b"old"


def test_an_encoder_that_fails_is_told_at_once_and_with_its_reason(tmp_path, source, monkeypatch):
    monkeypatch.setattr(write_film, "_COLOURS", {"colorspace": "nonsense"})
    asked = itertools.count()
    frames = (np.full((240, 320, 3), next(asked) % 256, np.uint8) for _ in range(100_000))
    with pytest.raises(MediaError, match=r"film\.mp4: .*nonsense"):
        write_frames(tmp_path / "film.mp4", sound_of(source), frames)
    assert next(asked) < 1000
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_sentence_that_names_the_film(tmp_path, source, monkeypatch):
    """/dev/full takes nothing; ffmpeg writes there instead of into the folder."""
    command = write_film._command

    def to_full(*some, **more):
        program, *arguments = command(*some, **more)
        return [program, "-y", *("file:/dev/full" if it.endswith("film.mp4") else it for it in arguments)]

    monkeypatch.setattr(write_film, "_command", to_full)
    told = rf"^{tmp_path}/film\.mp4: cannot be written \({os.strerror(errno.ENOSPC)}\)\. Check free space"
    with pytest.raises(MediaError, match=told):
        write(tmp_path / "film.mp4", sound_of(source), count=100)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path, source):
    with pytest.raises(MediaError, match=r"film\.mp4: cannot be written \(No such file or directory\)"):
        write(tmp_path / "none" / "film.mp4", sound_of(source), count=1)


def test_a_frame_of_another_form_is_refused(tmp_path, source):
    for frame in (np.zeros((240, 320), np.uint8), np.zeros((240, 322, 3), np.uint8), np.zeros((240, 320, 3))):
        with pytest.raises(ValueError, match="expected a frame"):
            write_frames(tmp_path / "film.mp4", sound_of(source), [frame])
    assert list(tmp_path.iterdir()) == []
