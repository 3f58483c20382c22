"""Objects behind a URL: what is told of addresses, credentials and failing servers, and when it is tried again."""

import socket
import subprocess
import sys
import threading

import pytest
from fsspec.config import conf

from avsearch.errors import StorageError
from avsearch.remote import RemoteStore, check_url, is_url
from avsearch.remote import store as store_module
from tests.object_store import Fault


@pytest.fixture
def store(object_store, monkeypatch):
    """A store that waits little between its tries, and its server's record of requests."""
    monkeypatch.setattr(store_module, "WAITS_S", (0.01, 0.01))
    object_store.requests.clear()
    return RemoteStore(object_store.url("store"))


def failing(object_store, times, **fault):
    """The server answers so many requests with an error; what is left of them is the returned list."""
    left = [Fault(**fault)] * times
    object_store.fault = lambda _request: left.pop() if left else None
    return left


def test_an_object_is_written_read_listed_and_deleted(store, object_store):
    store.write("one", b"some bytes")
    assert object_store.objects("store/") == {"store/one": b"some bytes"}
    assert (store.read("one"), store.read("another"), store.names()) == (b"some bytes", None, ["one"])
    for _ in range(2):
        store.delete("one")
    assert (store.names(), object_store.objects("store/")) == ([], {})


def test_what_another_process_writes_is_there_at_once(store, object_store):
    store.write("mine", b"1")
    assert store.names() == ["mine"]
    program = "import sys; from avsearch.remote import RemoteStore; RemoteStore(sys.argv[1]).write('theirs', b'2')"
    subprocess.run([sys.executable, "-c", program, store.url], check=True)
    assert store.read("theirs") == b"2", "though it was not there when the place was listed"
    assert store.names() == ["mine", "theirs"]
    store.delete("mine")
    store.delete("theirs")


@pytest.mark.slow
def test_a_large_object_is_put_in_one_request_so_that_no_part_of_it_can_be_left(store, object_store):
    store.write("large", bytes(120 << 20))
    assert [request for request in object_store.requests if not request.startswith("GET")] == [
        "PUT /footage/store/large"
    ]
    assert object_store.unfinished_uploads() == 0
    store.delete("large")


@pytest.mark.parametrize(
    ("status", "code"),
    [(503, "SlowDown"), (500, "InternalError"), (503, "ServiceUnavailable"), (400, "RequestTimeout")],
)
def test_what_may_pass_is_tried_again(store, object_store, status, code):
    left = failing(object_store, 2, status=status, code=code)
    store.write("one", b"1")
    assert left == []
    assert object_store.objects("store/") == {"store/one": b"1"}
    store.delete("one")


def holding(object_store):
    """The server answers the first request only after a second one has come."""
    asked_again = threading.Event()
    held = [Fault(before=lambda: asked_again.wait(60))]

    def answer(_request):
        if held:
            return held.pop()
        asked_again.set()
        return None

    object_store.requests.clear()
    object_store.fault = answer


def test_an_answer_that_takes_too_long_is_asked_for_again(store, object_store, monkeypatch):
    monkeypatch.setitem(conf, "s3", {"config_kwargs": {"read_timeout": 0.3}})
    object_store.put("store/one", b"1")
    holding(object_store)
    assert store.names() == ["one"]
    assert [request.split()[0] for request in object_store.requests] == ["GET"] * 2
    store.delete("one")


def test_a_store_that_falls_silent_over_an_upload_is_asked_again(store, object_store, monkeypatch):
    monkeypatch.setattr(store_module, "ANSWER_S", 0.5)
    holding(object_store)
    store.write("one", b"1")
    assert object_store.requests == ["PUT /footage/store/one"] * 2
    assert store.read("one") == b"1"
    store.delete("one")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("InvalidAccessKeyId", "no such key"),
        ("SignatureDoesNotMatch", "another signature"),
        ("AccessDenied", "no right"),
    ],
)
def test_refused_credentials_are_told_at_once(store, object_store, code, words):
    failing(object_store, 1000, status=403, code=code, message=words)
    with pytest.raises(StorageError, match=f"the store refuses.*{words}") as told:
        store.write("one", b"1")
    assert "AWS_PROFILE" in told.value.hint
    assert len(object_store.requests) == 1
    assert "secret" not in str(told.value)


def test_missing_credentials_are_told_at_once(store, object_store, monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(StorageError, match="no usable credentials"):
        store.write("one", b"1")
    assert object_store.requests == []


def test_a_profile_that_is_not_there_is_told(store, monkeypatch, tmp_path):
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(StorageError, match=r"no usable credentials.*nobody"):
        store.write("one", b"1")


def test_a_server_that_stays_down_is_told_in_one_sentence(store, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free.getsockname()[1]}")
    for call in (
        lambda: store.write("one", b"1"),
        lambda: store.read("one"),
        store.names,
        lambda: store.delete("one"),
    ):
        with pytest.raises(StorageError, match=f"{store.url}: the store does not answer") as told:
            call()
        assert "\n" not in str(told.value)


@pytest.mark.slow
def test_a_server_that_always_fails_is_given_up(store, object_store):
    failing(object_store, 1000, status=503, code="SlowDown", message="reduce your request rate")
    with pytest.raises(StorageError, match=r"the store does not answer \(.+\)"):
        store.read("one")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("s3://no-such-bucket/x", "no such bucket or folder"),
        ("file:///no/such/folder", "no such bucket or folder"),
        ("gibberish://x/y", "no kind that fsspec knows"),
        ("gs://bucket/x", "it needs a package, which is not installed"),
    ],
)
def test_an_address_that_leads_nowhere_is_told(object_store, url, why):
    with pytest.raises(StorageError, match=why):
        RemoteStore(url).write("one", b"1")


@pytest.mark.parametrize("url", ["s3://key:secret@bucket/x", "abfs://c@a/x?sig=secret", "sftp://me:secret@host/x"])
def test_an_address_with_credentials_is_refused_and_not_repeated(url):
    with pytest.raises(StorageError) as told:
        check_url(url)
    assert "secret" not in str(told.value)
    assert "environment" in told.value.hint


@pytest.mark.parametrize("url", ["s3://", "://x", "simplecache::s3://bucket/x", "s3://bucket/x#y", "http://[x"])
def test_what_is_no_address_is_refused(url):
    with pytest.raises(StorageError, match="is not the address of a store"):
        check_url(url)


def test_an_address_is_kept_without_its_last_slash():
    assert check_url("s3://bucket/footage/") == "s3://bucket/footage"
    assert [is_url(place) for place in ("s3://bucket", "segments", "/mnt/segments")] == [True, False, False]


@pytest.mark.slow
def test_nothing_of_it_is_loaded_before_it_is_needed():
    program = "import avsearch.library, avsearch.cli, sys; print(sorted({'fsspec', 's3fs'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"
