"""What is made of media for browsers: previews, thumbnails, waveforms."""

import io
import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from tests.media.clips import tones
from tests.web.serving import await_ready, id_of, running, until


def test_what_browsers_play_is_not_made_again(server, media_ids):
    for name in ("one.mp4", "tones.wav", "still.png"):
        answer = server.get(f"/v1/media/{media_ids[name]}/preview")
        assert (answer.status_code, answer.headers["location"]) == (307, f"/v1/media/{media_ids[name]}/file")


@pytest.mark.parametrize(
    ("name", "content_type", "codecs", "seconds"),
    [
        ("old.avi", "video/mp4", {"h264", "aac"}, 2.0),
        ("odd.aiff", "audio/mpeg", {"mp3"}, 2.5),
        ("still.tiff", "image/jpeg", {"mjpeg"}, None),
    ],
)
def test_of_what_they_do_not_play_a_light_copy_is_made(
    server, media_ids, tmp_path, name, content_type, codecs, seconds
):
    at = f"/v1/media/{media_ids[name]}/preview"
    answer = server.get(at)
    assert (answer.status_code, answer.headers["content-type"]) == (200, content_type)
    (tmp_path / "preview").write_bytes(answer.content)
    entries = ["-show_entries", "format=duration:stream=codec_name", "-of", "json"]
    probed = subprocess.run(
        ["ffprobe", "-v", "error", *entries, tmp_path / "preview"], capture_output=True, check=True
    )
    found = json.loads(probed.stdout)
    assert {stream["codec_name"] for stream in found["streams"]} == codecs
    if seconds is not None:
        assert float(found["format"]["duration"]) == pytest.approx(seconds, abs=0.1)
    part = server.get(at, headers={"Range": "bytes=10-19", "If-Range": answer.headers["etag"]})
    assert (part.status_code, part.content) == (206, answer.content[10:20])


@pytest.mark.slow
def test_a_preview_is_made_once_when_several_ask_at_the_same_time(own_library, own_footage, tmp_path, monkeypatch):
    from avsearch.media import preview
    from avsearch.web import previews

    made = []

    def counted(path, info, target, *, tell):
        made.append(path)
        preview.write_preview(path, info, target, tell=tell)

    monkeypatch.setattr(previews, "write_preview", counted)
    with running(own_library, tmp_path / "cache") as server:
        at = f"/v1/media/{id_of(server, 'old.avi')}/preview"
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: server.get(at), range(8)))
        assert [answer.status_code for answer in answers] == [200] * 8
        assert len({answer.content for answer in answers}) == 1
        assert len(made) == 1


def test_whoever_waits_too_long_for_a_preview_is_told_to_come_again(own_library, tmp_path):
    with running(own_library, tmp_path / "cache", preview_wait_s=0.0) as server:
        at = f"/v1/media/{id_of(server, 'old.avi')}/preview"
        answer = server.get(at)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert "being made" in answer.json()["error"]["message"]
        until(lambda: server.get(at).status_code == 200)


def test_a_preview_that_cannot_be_made_says_why(own_library, own_footage, tmp_path):
    """Its pictures are zeros by now; size and time are as they were."""
    path = own_footage / "old.avi"
    status = path.stat()
    with running(own_library, tmp_path / "cache") as server:
        media_id = id_of(server, "old.avi")
        path.write_bytes(bytes(status.st_size))
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        answer = server.get(f"/v1/media/{media_id}/preview")
        assert answer.status_code == 422
        assert "old.avi" in answer.json()["error"]["message"]
        assert [it.name for it in (tmp_path / "cache").iterdir()] == []


def test_a_thumbnail_shows_the_moment(server, media_ids, footage):
    answer = server.get(f"/v1/moments/{media_ids['still.png']}:image:0/thumbnail", params={"size": 90})
    assert answer.headers["content-type"] == "image/jpeg"
    shown = np.asarray(Image.open(io.BytesIO(answer.content)), np.float64)
    original = np.asarray(Image.open(footage / "still.png").resize((90, 60)), np.float64)
    assert shown.shape == original.shape
    smooth = [it.reshape(6, 10, 9, 10, 3).mean((1, 3)) for it in (shown, original)]
    assert np.abs(smooth[0] - smooth[1]).max() < 12
    again = server.get(
        f"/v1/moments/{media_ids['still.png']}:image:0/thumbnail",
        params={"size": 90},
        headers={"If-None-Match": answer.headers["etag"]},
    )
    assert again.status_code == 304


@pytest.mark.slow
def test_of_a_second_of_sound_the_frame_in_its_middle_is_shown_if_there_is_one(server, media_ids):
    film, sound = media_ids["one.mp4"], media_ids["tones.wav"]
    of_sound = server.get(f"/v1/moments/{film}:audio:1000000/thumbnail").content
    of_frame = server.get(f"/v1/moments/{film}:image:1500000/thumbnail").content
    assert of_sound == of_frame
    assert server.get(f"/v1/moments/{film}:audio:2000000/thumbnail").content != of_frame
    assert server.get(f"/v1/moments/{film}:audio:59000000/thumbnail").status_code == 200  # its last frame
    assert server.get(f"/v1/moments/{sound}:audio:0/thumbnail").status_code == 404


def test_a_waveform_is_what_a_loop_over_the_samples_finds(server, media_ids):
    asked = {"start_s": 0.5, "end_s": 1.5, "points": 7}
    told = server.get(f"/v1/media/{media_ids['tones.wav']}/waveform", params=asked).json()
    samples = (tones(2.5) * 32767).astype("<i2").astype(np.float32)[24_000:72_000] / 32768
    parts = [samples[[n for n in range(48_000) if n * 7 // 48_000 == part]] for part in range(7)]
    expected = [(part.min(), part.max()) for part in parts]
    assert np.array(told["peaks"]) == pytest.approx(np.array(expected), abs=1e-3)
    whole = server.get(f"/v1/media/{media_ids['tones.wav']}/waveform").json()
    assert (whole["start_s"], whole["end_s"], len(whole["peaks"])) == (0, 2.5, 200)


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"start_s": 2, "end_s": 1}, 422),
        ({"end_s": 100_000}, 422),
        ({"points": 0}, 422),
        ({"points": 10**9}, 422),
        ({"start_s": "NaN"}, 422),
        ({"start_s": 1e300}, 422),
        ({"start_s": 600_000}, 200),
    ],
)
def test_absurd_stretches_are_refused_or_silent(server, media_ids, asked, status):
    answer = server.get(f"/v1/media/{media_ids['tones.wav']}/waveform", params=asked)
    assert answer.status_code == status, answer.text
    assert server.get(f"/v1/media/{media_ids['still.png']}/waveform").status_code == 404


@pytest.mark.slow
def test_the_cache_stays_within_its_room(own_library, tmp_path):
    cache = tmp_path / "cache"
    with running(own_library, cache, cache_bytes=20_000) as server:
        await_ready(server)
        film = id_of(server, "one.mp4")
        for size in range(100, 700, 20):
            assert server.get(f"/v1/moments/{film}:image:0/thumbnail", params={"size": size}).status_code == 200
        assert 0 < sum(path.stat().st_size for path in cache.iterdir()) <= 20_000
