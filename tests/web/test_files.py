"""Files of media over HTTP: whole, in ranges, and only those that may be given out."""

import os

import pytest

from tests.web.conftest import XSS
from tests.web.serving import id_of, running


@pytest.fixture(scope="module")
def sound(server, media_ids, footage):
    """The address and the bytes of a sound."""
    return f"/v1/media/{media_ids['tones.wav']}/file", (footage / "tones.wav").read_bytes()


def test_a_file_comes_whole_with_its_type_and_its_name_as_text(server, sound, media_ids):
    at, content = sound
    answer = server.get(at)
    assert (answer.status_code, answer.content) == (200, content)
    assert answer.headers["content-type"] == "audio/wav"
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["x-content-type-options"] == "nosniff"
    hostile = server.get(f"/v1/media/{media_ids[XSS]}/file")
    assert hostile.headers["content-disposition"].startswith("inline; filename*=UTF-8''%3Cimg%20src")


@pytest.mark.parametrize(
    ("header", "start", "end"),
    [
        ("bytes=0-99", 0, 100),
        ("bytes=100-", 100, None),
        ("bytes=-50", -50, None),
        ("bytes=0-0", 0, 1),
        ("bytes=5-999999999999", 5, None),
        ("bytes=-999999999999", 0, None),
        ("BYTES=1-2", 1, 3),
    ],
)
def test_a_range_gives_these_bytes(server, sound, header, start, end):
    at, content = sound
    answer = server.get(at, headers={"Range": header})
    expected = content[start:end]
    assert (answer.status_code, answer.content) == (206, expected)
    first = len(content) + start if start < 0 else start
    assert answer.headers["content-range"] == f"bytes {first}-{first + len(expected) - 1}/{len(content)}"


@pytest.mark.parametrize("header", ["bytes=999999999-", "bytes=-0", f"bytes={10**17}-{10**17 + 1}"])
def test_a_range_outside_of_the_file_is_416(server, sound, header):
    at, content = sound
    answer = server.get(at, headers={"Range": header})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{len(content)}"


@pytest.mark.parametrize(
    "header",
    [
        "bytes=0-1,5-6",
        "bytes=" + ",".join(f"{it}-{it}" for it in range(0, 4000, 2)),
        "bytes=9-3",
        "bytes=-",
        "bytes=a-b",
        "lines=0-1",
        "bytes=0-1-2",
        "bytes=" + "9" * 5000 + "-",
        "bytes=٣-٤".encode().decode("latin-1"),
    ],
)
def test_several_ranges_and_nonsense_are_answered_with_the_whole_file(server, sound, header):
    at, content = sound
    answer = server.get(at, headers={"Range": header.encode("latin-1")})
    assert (answer.status_code, answer.content) == (200, content)


def test_an_etag_confirms_what_a_client_has_and_guards_ranges(server, sound):
    at, content = sound
    etag = server.get(at).headers["etag"]
    assert server.get(at, headers={"If-None-Match": etag}).status_code == 304
    assert server.get(at, headers={"If-None-Match": '"other"'}).status_code == 200
    same = server.get(at, headers={"Range": "bytes=0-9", "If-Range": etag})
    other = server.get(at, headers={"Range": "bytes=0-9", "If-Range": '"other"'})
    dated = server.get(at, headers={"Range": "bytes=0-9", "If-Range": "Wed, 21 Oct 2026 07:28:00 GMT"})
    assert (same.status_code, other.status_code, dated.status_code) == (206, 200, 200)
    assert len(same.content) == 10
    assert other.content == content


def test_head_gives_the_same_headers_and_no_body(server, sound):
    at, content = sound
    whole, part = server.client.head(at), server.client.head(at, headers={"Range": "bytes=3-7"})
    assert (whole.status_code, whole.content, whole.headers["content-length"]) == (200, b"", str(len(content)))
    assert (part.status_code, part.content, part.headers["content-length"]) == (206, b"", "5")
    assert server.client.head("/v1/library").status_code == 200


@pytest.mark.parametrize("media_id", ["0", "999999", "-1", "1.5", "..%2F..%2Fetc%2Fpasswd", "9" * 30, "%00"])
@pytest.mark.parametrize("part", ["", "/file", "/preview", "/waveform"])
def test_there_is_nothing_under_other_ids(server, media_id, part):
    answer = server.get(f"/v1/media/{media_id}{part}")
    assert answer.status_code in {404, 422}
    assert answer.json()["error"]["message"]


def test_details_say_what_the_catalog_knows(server, media_ids, footage):
    told = server.get(f"/v1/media/{media_ids['one.mp4']}").json()
    assert (told["kind"], told["name"], told["labels"]) == ("video", "one.mp4", ["brass", "drum"])
    assert told["paths"] == [str(footage / "one.mp4")]
    assert (told["video"]["codec"], told["video"]["width"], told["audio"]["codec"]) == ("h264", 96, "aac")


def test_files_outside_of_the_roots_are_never_given_out(own_library, own_footage, tmp_path):
    """A link that takes a file's place, or its folder's, leads out of the registered folder."""
    secret = tmp_path / "secret"
    with running(own_library, tmp_path / "cache") as server:
        media_id = id_of(server, "tones.wav")
        status = (own_footage / "tones.wav").stat()
        secret.write_bytes(b"s" * status.st_size)
        os.utime(secret, ns=(status.st_atime_ns, status.st_mtime_ns))
        (own_footage / "tones.wav").rename(tmp_path / "moved.wav")
        (own_footage / "tones.wav").symlink_to(secret)
        for part in ("file", "preview", "waveform"):
            answer = server.get(f"/v1/media/{media_id}/{part}")
            assert answer.status_code == 404
            assert b"sss" not in answer.content


def test_a_link_within_the_root_is_followed(own_footage, weights, tmp_path):
    from indexer.build import index
    from indexer.index_job import IndexJob

    real = own_footage / ".kept" / "real.wav"  # hidden, so that only the link is found
    real.parent.mkdir()
    (own_footage / "tones.wav").rename(real)
    (own_footage / "tones.wav").symlink_to(".kept/real.wav")
    index(IndexJob([own_footage], tmp_path / "library", model=weights), lambda _event: None)
    with running(tmp_path / "library", tmp_path / "cache") as server:
        media_id = id_of(server, "tones.wav")
        assert server.get(f"/v1/media/{media_id}/file").content == real.read_bytes()


@pytest.mark.parametrize("change", ["content", "gone", "fifo", "folder", "empty"])
def test_a_file_that_is_not_what_was_indexed_is_not_given_out(own_library, own_footage, tmp_path, change):
    path = own_footage / "tones.wav"
    with running(own_library, tmp_path / "cache") as server:
        media_id = id_of(server, "tones.wav")
        path.unlink()
        make = {
            "content": lambda: path.write_bytes(b"another"),
            "gone": lambda: None,
            "fifo": lambda: os.mkfifo(path),
            "folder": path.mkdir,
            "empty": path.touch,
        }
        make[change]()
        answer = server.get(f"/v1/media/{media_id}/file")
        assert answer.status_code == 404
        assert "index" in answer.json()["error"]["hint"]


def test_another_copy_stands_in_for_one_that_is_gone(own_footage, weights, tmp_path):
    import shutil

    from indexer.build import index
    from indexer.index_job import IndexJob

    shutil.copy2(own_footage / "tones.wav", own_footage / "zz copy.wav")
    index(IndexJob([own_footage], tmp_path / "library", model=weights), lambda _event: None)
    with running(tmp_path / "library", tmp_path / "cache") as server:
        media_id = id_of(server, "tones.wav")
        content = (own_footage / "tones.wav").read_bytes()
        (own_footage / "tones.wav").unlink()
        assert server.get(f"/v1/media/{media_id}/file").content == content


@pytest.mark.slow
def test_a_name_that_is_no_utf8_is_no_obstacle(own_footage, weights, tmp_path):
    from indexer.build import index
    from indexer.index_job import IndexJob

    (own_footage / "tones.wav").rename(own_footage / os.fsdecode(b"\xff\xfe.wav"))
    index(IndexJob([own_footage], tmp_path / "library", model=weights), lambda _event: None)
    with running(tmp_path / "library", tmp_path / "cache") as server:
        media_id = id_of(server, "\ufffd\ufffd.wav")
        assert len(server.get(f"/v1/media/{media_id}/file").content) > 100
        hits = server.search("audio", {"moment_id": f"{media_id}:audio:0"}, duplicates=True)["hits"]
        assert {hit["name"] for hit in hits if hit["media_id"] == media_id} == {"\ufffd\ufffd.wav"}
        assert server.get("/v1/library").status_code == 200
