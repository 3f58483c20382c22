"""Previews: times in them are those of the file, and a hostile file does no more harm here than elsewhere."""

import json
import subprocess
import threading

import numpy as np
import pytest

from avsearch import media
from avsearch.errors import MediaError
from avsearch.media import preview
from avsearch.media.playable import is_playable
from avsearch.media.preview import M4A, MP3, MP4, WEBM, preview_form, write_preview
from avsearch.media.waiting import while_waiting
from avsearch.moments import MediaKind, Span
from tests.media import attacks
from tests.media.clips import ffmpeg, make_clip, number_of, tone_of, tones, write_wav


def streams_of(path):
    """Truth: what ffprobe says of each stream."""
    command = ["ffprobe", "-v", "error", "-show_streams", "-show_format", "-of", "json", str(path)]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)["streams"]


def made(path, folder):
    """A file's preview, under a name that says what it is."""
    info = media.probe(path)
    target = folder / f"preview{preview_form(info).suffix}"
    write_preview(path, info, target, tell=lambda _: None)
    return target


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("pcm.mkv", ["-c:v", "copy", "-c:a", "pcm_s16le"]),
        ("old.avi", ["-c:v", "mpeg4", "-q:v", "2", "-c:a", "pcm_s16le"]),
        ("late.ts", ["-c:v", "copy", "-c:a", "aac", "-output_ts_offset", "50"]),
        ("ten bits.mp4", ["-c:v", "libx264", "-pix_fmt", "yuv420p10le", "-c:a", "aac"]),
        ("quicktime.mov", ["-c:v", "copy", "-c:a", "aac"]),
        ("many.mkv", ["-c:v", "copy", "-c:a", "pcm_s16le", "-ac", "6"]),
    ],
)
def test_at_each_time_the_preview_shows_and_plays_what_the_file_does(tmp_path, name, options):
    clip = make_clip(tmp_path / "clip.mp4", frames=100, seconds=4)
    ffmpeg("-i", clip, *options, tmp_path / name)
    assert not is_playable(tmp_path / name, media.probe(tmp_path / name))
    copy = made(tmp_path / name, tmp_path)
    info = media.probe(copy)
    assert is_playable(copy, info)
    assert {stream["codec_name"] for stream in streams_of(copy)} == {"h264", "aac"}
    original = media.probe(tmp_path / name)
    for time_us in (400_000, 1_720_000, 3_400_000):
        shown = [
            number_of(next(media.read_frames(path, of_it, [time_us], short_side=120)).rgb)
            for path, of_it in ((tmp_path / name, original), (copy, info))
        ]
        assert abs(shown[0] - shown[1]) <= 1
        heard = media.read_sound(
            copy, info, Span(time_us // 1_000_000 * 1_000_000 + 200_000, time_us // 1_000_000 * 1_000_000 + 800_000)
        )
        assert tone_of(heard) == pytest.approx(300 * (time_us // 1_000_000 + 1), abs=5)


@pytest.mark.slow
def test_pictures_become_light_upright_and_square_pixelled(tmp_path):
    make_clip(tmp_path / "large.mp4", frames=20, size=(1280, 720))
    ffmpeg("-i", tmp_path / "large.mp4", "-c:v", "mpeg4", "-vf", "setsar=2", tmp_path / "wide.avi")
    (stream,) = streams_of(made(tmp_path / "wide.avi", tmp_path))
    assert (stream["width"], stream["height"], stream["sample_aspect_ratio"]) == (1706, 480, "1:1")
    ffmpeg("-i", tmp_path / "large.mp4", "-c:v", "mpeg4", tmp_path / "flat.mov")
    turning = ("-c", "copy", "-metadata:s:v:0", "rotate=90")
    ffmpeg("-i", tmp_path / "flat.mov", *turning, tmp_path / "turned.mov")
    info = media.probe(tmp_path / "turned.mov")
    assert (info.video.width, info.video.height) == (720, 1280)
    (tmp_path / "preview.mp4").unlink()
    (stream,) = streams_of(made(tmp_path / "turned.mov", tmp_path))
    assert (stream["width"], stream["height"]) == (480, 854)


def test_frames_that_come_faster_than_a_screen_shows_are_left_out(tmp_path):
    clip = make_clip(tmp_path / "fast.mkv", frames=240, rate="120")
    ffmpeg("-i", clip, "-c:v", "mpeg4", tmp_path / "fast.avi")
    (stream,) = streams_of(made(tmp_path / "fast.avi", tmp_path))
    assert 50 <= int(stream["nb_frames"]) <= 80
    assert float(stream["duration"]) == pytest.approx(2, abs=0.1)


@pytest.mark.slow
def test_without_h264_the_preview_is_webm_and_without_mp3_aac(tmp_path, monkeypatch):
    ffmpeg("-i", make_clip(tmp_path / "clip.mp4", frames=30, seconds=1), "-c:v", "mpeg4", tmp_path / "old.avi")
    write_wav(tmp_path / "a.wav", tones(1))
    ffmpeg("-i", tmp_path / "a.wav", tmp_path / "a.aiff")
    there = preview.encoders()
    assert [preview_form(media.probe(tmp_path / it)) for it in ("old.avi", "a.aiff")] == [MP4, MP3]
    monkeypatch.setattr(preview, "encoders", lambda: there - {"libx264", "libmp3lame"})
    assert [preview_form(media.probe(tmp_path / it)) for it in ("old.avi", "a.aiff")] == [WEBM, M4A]
    film, sound = made(tmp_path / "old.avi", tmp_path), made(tmp_path / "a.aiff", tmp_path)
    assert {stream["codec_name"] for stream in streams_of(film)} == {"vp8", "opus"}
    assert {stream["codec_name"] for stream in streams_of(sound)} == {"aac"}
    assert is_playable(film, media.probe(film))
    assert is_playable(sound, media.probe(sound))


@pytest.mark.slow
def test_how_far_it_is_is_told(tmp_path):
    clip = make_clip(tmp_path / "clip.mp4", frames=1500, seconds=60)
    ffmpeg("-i", clip, "-c:v", "mpeg4", "-c:a", "aac", tmp_path / "long.avi")
    told = []
    write_preview(tmp_path / "long.avi", media.probe(tmp_path / "long.avi"), tmp_path / "out", tell=told.append)
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("write", [attacks.hls, attacks.ffconcat, attacks.dash], ids=lambda it: it.__name__)
def test_a_playlist_under_another_name_opens_no_other_file(tmp_path, write):
    attacks.decoy_clip(tmp_path)
    write(tmp_path / "list.mkv", "decoy.ts")
    (tmp_path / "out").mkdir()
    with attacks.opened_names(tmp_path) as opened, pytest.raises(MediaError):
        write_preview(tmp_path / "list.mkv", attacks.PRETENDED, tmp_path / "out" / "preview", tell=lambda _: None)
    assert opened <= {"list.mkv", "out"}


def test_a_film_whose_pictures_lie_in_another_file_opens_no_other_file(tmp_path):
    decoy = attacks.decoy_clip(tmp_path)
    attacks.mov_that_refers_to(tmp_path / "film.mov", decoy)
    (tmp_path / "out").mkdir()
    with attacks.opened_names(tmp_path) as opened, pytest.raises(MediaError):
        write_preview(tmp_path / "film.mov", attacks.PRETENDED, tmp_path / "out" / "preview", tell=lambda _: None)
    assert "decoy.mp4" not in opened


def test_a_name_is_only_ever_a_name(tmp_path):
    write_wav(tmp_path / "plain.wav", tones(1))
    for name in ("-i.aiff", "%03d.aiff", "concat:a|b.aiff", "a';[0:v] \n.aiff", "\udcff.aiff"):
        ffmpeg("-i", tmp_path / "plain.wav", "-f", "aiff", tmp_path / "made")
        (tmp_path / "made").rename(tmp_path / name)
        target = tmp_path / "preview.mp3"
        target.unlink(missing_ok=True)
        write_preview(tmp_path / name, media.probe(tmp_path / name), target, tell=lambda _: None)
        assert media.probe(target).duration_us == pytest.approx(1_000_000, abs=100_000)


@pytest.mark.slow
def test_making_one_can_be_given_up(tmp_path):
    """By whoever waits: what it raises ends ffmpeg, too."""
    clip = make_clip(tmp_path / "clip.mkv", frames=1000, size=(640, 360))
    ffmpeg("-i", clip, "-c:v", "mpeg4", tmp_path / "long.avi")
    info = media.probe(tmp_path / "long.avi")
    given_up = threading.Event()

    class GivenUpError(Exception):
        pass

    def look():
        if given_up.is_set():
            raise GivenUpError

    with while_waiting(look), pytest.raises(GivenUpError):
        write_preview(tmp_path / "long.avi", info, tmp_path / "out", tell=lambda _: given_up.set())
    ended = subprocess.run(["pgrep", "-f", str(tmp_path)], capture_output=True, text=True, check=False)
    assert ended.stdout == ""


def test_a_still_picture_becomes_a_jpeg_that_is_not_too_large(tmp_path):
    from PIL import Image

    Image.fromarray(np.full((300, 5000, 3), 200, np.uint8)).save(tmp_path / "wide.tiff")
    info = media.probe(tmp_path / "wide.tiff")
    assert info.kind is MediaKind.PICTURE
    with Image.open(made(tmp_path / "wide.tiff", tmp_path)) as picture:
        assert (picture.format, picture.size) == ("JPEG", (2048, 123))
