"""Clients that are slow, silent, many or rude."""

import concurrent.futures
import contextlib
import json
import resource
import socket
import time

import pytest

from tests.media.clips import tones, write_wav
from tests.web.serving import read_all, running, until

GET = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"


def connect(server, timeout=20):
    return socket.create_connection(("127.0.0.1", server.port), timeout=timeout)


def seconds_until_closed(connection, data=b"", *, every_s=0.0):
    """How long the server keeps a connection on which this comes, a byte now and then where `every_s` is given."""
    began = time.monotonic()
    if not every_s:
        connection.sendall(data)
        read_all(connection)
        return time.monotonic() - began
    connection.settimeout(every_s)
    for byte in data:
        try:
            connection.sendall(bytes([byte]))
            if connection.recv(1000) == b"":
                break
        except TimeoutError:
            continue
        except (ConnectionResetError, BrokenPipeError):
            break
    return time.monotonic() - began


@pytest.fixture(scope="module")
def impatient(made_library, tmp_path_factory):
    """A server that waits two seconds for a head, and for answers to be read."""
    limits = {"head_s": 2.0, "keep_alive_s": 5, "write_stall_s": 2.0}
    with running(made_library, tmp_path_factory.mktemp("cache"), **limits) as server:
        yield server


def answer_to_get(connection):
    """The whole of it: head and body may come one after the other."""
    connection.sendall(GET)
    answer = b""
    while not answer.endswith(b'{"live":true}'):
        answer += connection.recv(10_000)
    return answer


@pytest.mark.slow
def test_a_connection_on_which_nothing_comes_is_closed(impatient):
    with connect(impatient) as connection:
        assert 1.5 < seconds_until_closed(connection) < 15


@pytest.mark.slow
def test_a_head_that_comes_a_byte_at_a_time_is_cut_off(impatient):
    """Slowloris: each byte would start uvicorn's own waiting anew."""
    with connect(impatient) as connection:
        assert seconds_until_closed(connection, b"GET / HTTP/1.1\r\n" + b"X-A: b\r\n" * 50, every_s=0.1) < 15


@pytest.mark.slow
def test_the_same_after_a_first_request_that_was_in_order(impatient):
    with connect(impatient) as connection:
        assert answer_to_get(connection).startswith(b"HTTP/1.1 200")
        assert seconds_until_closed(connection, b"GET / HTTP/1.1\r\n" + b"X-A: b\r\n" * 50, every_s=0.1) < 15


def test_a_second_request_on_a_connection_is_answered_within_its_time(impatient):
    with connect(impatient) as connection:
        for _ in range(3):
            assert answer_to_get(connection).startswith(b"HTTP/1.1 200")
            time.sleep(0.3)


@pytest.mark.slow
def test_an_answer_that_nobody_reads_is_given_up(impatient, tmp_path):
    long = write_wav(tmp_path / "long.wav", tones(300))  # more than the system's buffers take
    upload_id = impatient.upload(long)
    with connect(impatient) as connection:
        connection.sendall(f"GET /v1/uploads/{upload_id}/file HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        time.sleep(5)
        assert len(read_all(connection)) < long.stat().st_size


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x01\x02\x03\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 200_000 + b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"GET /../../../etc/passwd HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"GET /static/..%2f..%2fapp.py HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"GET /static/%2e%2e/%2e%2e/app.py HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"GET /static/app.js%00 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"BREW /v1/library HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    ],
)
def test_rude_requests_are_refused_and_the_next_is_answered(impatient, data):
    answer = impatient.raw(data)
    assert answer == b"" or answer.split(b" ")[1] in {b"400", b"404", b"405", b"421", b"431"}
    assert b"root:" not in answer
    assert impatient.get("/health/live").status_code == 200


def test_a_body_that_is_too_large_for_a_query_is_refused_without_being_kept(impatient):
    answer = impatient.post("/v1/search", content=b" " * 3_000_000, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.headers["connection"]) == (413, "close")


@pytest.mark.slow
def test_more_connections_than_there_may_be_are_told_so(made_library, tmp_path):
    with running(made_library, tmp_path / "cache", num_connections=20) as server:
        held = [connect(server) for _ in range(40)]
        time.sleep(2)
        refused = 0
        for connection in held:
            connection.setblocking(False)
            try:
                answer = connection.recv(10_000)
            except BlockingIOError:
                continue
            refused += 1
            head, _, body = answer.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 503 ")
            assert b"content-security-policy" in head.lower()
            assert json.loads(body)["error"]["hint"]
        assert refused >= 20
        for connection in held:
            connection.close()
        until(lambda: connected(server))


def connected(server):
    try:
        return server.get("/health/live").status_code == 200
    except Exception:  # noqa: BLE001  (it may be refused, or cut off: then it is tried again)
        return False


@pytest.mark.slow
def test_requests_under_way_are_answered_when_the_server_is_stopped(made_library, tmp_path):
    """An upload comes slowly; it is stopped in the middle of that."""
    sound = write_wav(tmp_path / "sound.wav", tones(2)).read_bytes()
    with running(made_library, tmp_path / "cache", shutdown_s=60) as server:
        with connect(server, timeout=60) as connection:
            head = f"POST /v1/uploads HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(sound)}\r\n\r\n"
            connection.sendall(head.encode() + sound[:1000])
            time.sleep(1)
            server.stop.set()
            time.sleep(1)
            connection.sendall(sound[1000:])
            answer = read_all(connection)
        assert answer.startswith(b"HTTP/1.1 201 ")
        server.thread.join(60)
        with pytest.raises(ConnectionError):
            connect(server, timeout=1)


@pytest.mark.slow
def test_a_server_that_is_stopped_does_not_wait_for_ever(made_library, tmp_path):
    with running(made_library, tmp_path / "cache", shutdown_s=1) as server, connect(server) as connection:
        connection.sendall(b"POST /v1/uploads HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nx")
        time.sleep(0.3)
        began = time.monotonic()
        server.stop.set()
        server.thread.join(60)
        assert time.monotonic() - began < 40


@pytest.mark.slow
def test_a_thousand_connections_at_once_are_no_harm(made_library, media_ids, tmp_path):
    """A thousand that hold on and say nothing, and a thousand requests of others meanwhile."""
    asked = {"find": "image", "terms": [{"moment_id": f"{media_ids['still.png']}:image:0"}]}
    with (
        many_descriptors(),
        running(made_library, tmp_path / "cache", head_s=3600.0) as server,
        contextlib.ExitStack() as stack,
    ):
        held = [stack.enter_context(connect(server, timeout=120)) for _ in range(1000)]
        with concurrent.futures.ThreadPoolExecutor(64) as pool:
            statuses = list(pool.map(lambda _: server.post("/v1/search", json=asked).status_code, range(1000)))
        assert set(statuses) <= {200, 503}
        assert statuses.count(200) > 900
        for connection in held:  # they are still there, and can still ask
            connection.sendall(GET)
        assert all(connection.recv(20).startswith(b"HTTP/1.1 200") for connection in held)
        assert server.get("/health/ready").status_code == 200


@contextlib.contextmanager
def many_descriptors():
    """Both sides of a thousand connections are in this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 8192:
        pytest.skip("the system gives too few descriptors for both sides")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 8192), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
