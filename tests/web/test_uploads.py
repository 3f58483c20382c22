"""Uploads: what is taken, what is not, how much of it, and for how long."""

import io
import json
import subprocess
import time
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image

from tests.media.attacks import hls, png
from tests.media.clips import ffmpeg, make_clip, tones, write_wav
from tests.web.serving import read_all, running, until


def send(server, data, name="clip"):
    return server.post("/v1/uploads", content=data, headers={"X-Filename": quote(name)})


def test_an_upload_is_described_and_can_be_seen_heard_and_deleted(server, footage):
    answer = send(server, (footage / "one.mp4").read_bytes(), "Trommel é.mp4")
    assert answer.status_code == 201
    told = answer.json()
    assert (told["name"], told["kind"], told["width"], told["height"]) == ("Trommel é.mp4", "video", 96, 72)
    assert (told["has_sound"], told["has_picture"]) == (True, True)
    assert told["duration_s"] == pytest.approx(3, abs=0.1)
    assert 3500 < told["expires_in_s"] <= 3600
    at = f"/v1/uploads/{told['upload_id']}"
    assert server.get(f"{at}/file").content == (footage / "one.mp4").read_bytes()
    thumbnail = server.get(f"{at}/thumbnail", params={"at_s": 1.5, "size": 64})
    assert Image.open(io.BytesIO(thumbnail.content)).size == (64, 48)
    waveform = server.get(f"{at}/waveform", params={"points": 50}).json()
    assert np.array(waveform["peaks"]).shape == (50, 2)
    assert server.client.delete(at).status_code == 204
    assert server.client.delete(at).status_code == 404
    assert server.get(f"{at}/file").status_code == 404


def test_a_recording_that_does_not_say_how_long_it_is_is_measured(server, footage, tmp_path):
    """As a browser's MediaRecorder writes it: WebM, without a length in its header."""
    ffmpeg("-i", footage / "tones.wav", "-c:a", "libopus", "-f", "webm", "-live", "1", tmp_path / "live.webm")
    probed = subprocess.run(
        ["ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", tmp_path / "live.webm"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert probed.stdout.strip() == "N/A"
    told = send(server, (tmp_path / "live.webm").read_bytes(), "").json()
    assert (told["name"], told["kind"]) == ("upload", "sound")
    assert told["duration_s"] == pytest.approx(2.5, abs=0.05)


def test_what_a_file_is_is_seen_by_its_content_whatever_it_is_called(server, footage):
    for name in ("still.png", "still.jpg", "film.mp4", "sound.wav", "noname", "", "../../etc/passwd", "a" * 5000):
        told = send(server, (footage / "still.png").read_bytes(), name).json()
        assert (told["kind"], told["width"]) == ("picture", 90)
        assert "/" not in told["name"]
        assert len(told["name"]) <= 200
    assert send(server, (footage / "one.mp4").read_bytes(), "film.png").json()["kind"] == "video"


def test_what_cannot_be_decoded_is_refused_with_the_reason_and_without_a_path(server, footage, tmp_path):
    hls(tmp_path / "list.mp4", footage / "one.mp4")
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    cut = (footage / "one.mp4").read_bytes()[:500]
    bomb = png(30_000, 8_000)
    for name, data in {
        "list.mp4": (tmp_path / "list.mp4").read_bytes(),
        "drawing.svg": svg,
        "page.png": b"<html><script>alert(1)</script>",
        "cut.mp4": cut,
        "text.wav": b"hello",
        "bomb.png": bomb,
        "empty.wav": b"",
    }.items():
        answer = send(server, data, name)
        assert answer.status_code == 422, (name, answer.text)
        told = answer.json()["error"]["message"]
        assert told.startswith(f"{name}: ")
        assert "/tmp" not in told


def test_decoding_an_upload_has_a_time(made_library, tmp_path):
    """Even of a small film it takes longer than a millisecond."""
    make_clip(tmp_path / "slow.mkv", frames=50)
    with running(made_library, tmp_path / "cache", ask_s=0.001) as server:
        answer = send(server, (tmp_path / "slow.mkv").read_bytes())
        assert answer.status_code == 422
        assert "takes longer" in answer.json()["error"]["message"]


@pytest.mark.slow
def test_an_upload_over_the_limit_is_cut_while_it_comes(made_library, tmp_path):
    with running(made_library, tmp_path / "cache", upload_bytes=1_000_000) as server:

        def endless():
            for _ in range(100_000):
                yield bytes(1 << 16)

        began = time.monotonic()
        answer = server.raw(
            b"POST /v1/uploads HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
            + b"".join(b"10000\r\n" + bytes(1 << 16) + b"\r\n" for _ in range(20))
        )
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 413 ")
        assert b"connection: close" in head.lower()
        assert "1000000 bytes" in json.loads(body)["error"]["message"]
        assert time.monotonic() - began < 10
        assert server.post("/v1/uploads", content=bytes(1_000_001)).status_code == 413
        assert server.get("/metrics").text.count("avsearch_upload_bytes 0.0") == 1


@pytest.mark.slow
def test_uploads_go_when_nobody_asks_with_them(made_library, footage, tmp_path):
    with running(made_library, tmp_path / "cache", upload_ttl_s=1.0) as server:
        upload_id = server.upload(footage / "still.png")
        assert server.get(f"/v1/uploads/{upload_id}/file").status_code == 200
        until(lambda: server.get("/metrics").text.count("avsearch_uploads 0.0") == 1)
        answer = server.post("/v1/search", json={"find": "audio", "terms": [{"upload_id": upload_id}]})
        assert answer.status_code == 404
        assert answer.json()["error"]["hint"] == "Upload it again."


def test_the_uploads_that_were_not_used_for_longest_make_room(made_library, footage, tmp_path):
    with running(made_library, tmp_path / "cache", num_uploads=3) as server:
        first, second, third = (server.upload(footage / "still.png") for _ in range(3))
        server.get(f"/v1/uploads/{first}/file")
        fourth = server.upload(footage / "still.png")
        there = [server.get(f"/v1/uploads/{it}/file").status_code for it in (first, second, third, fourth)]
        assert there == [200, 404, 200, 200]


def test_together_uploads_take_no_more_than_their_room(made_library, tmp_path):
    sound = write_wav(tmp_path / "long.wav", tones(4)).read_bytes()
    with running(made_library, tmp_path / "cache", uploads_bytes=3 * len(sound) - 1) as server:
        ids = [send(server, sound).json()["upload_id"] for _ in range(4)]
        assert [server.get(f"/v1/uploads/{it}/file").status_code for it in ids] == [404, 404, 200, 200]


def test_more_uploads_at_once_than_are_taken_are_told_to_wait(made_library, tmp_path):
    import socket

    head = b"POST /v1/uploads HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n"
    with running(made_library, tmp_path / "cache", num_receiving=2) as server:
        held = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(2)]
        for connection in held:
            connection.sendall(head + b"x")
        time.sleep(0.5)
        answer = server.post("/v1/uploads", content=b"x")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
        for connection in held:
            connection.close()
        until(lambda: server.post("/v1/uploads", content=b"x").status_code == 422)


def test_nothing_of_uploads_is_left_when_the_server_has_ended(made_library, footage, tmp_path, monkeypatch):
    import tempfile

    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    with running(made_library, tmp_path / "cache") as server:
        server.upload(footage / "still.png")
        (folder,) = (tmp_path / "tmp").iterdir()
        assert folder.stat().st_mode & 0o777 == 0o700
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.slow
def test_a_body_that_comes_too_slowly_is_given_up(made_library, tmp_path):
    import socket

    with running(made_library, tmp_path / "cache", body_grace_s=0.6, body_bytes_per_s=1000) as server:
        began = time.monotonic()
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
            connection.sendall(b"POST /v1/uploads HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\nxx")
            for _ in range(8):  # a byte now and then
                time.sleep(0.1)
                connection.sendall(b"x")
            answer = read_all(connection)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert time.monotonic() - began < 10
