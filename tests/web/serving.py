"""A real server on 127.0.0.1 within the test's own process, and a library for it."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import httpx

from avsearch.web.serving import serve
from avsearch.web.settings import Limits, Settings

TOKEN = "a-token-for-tests-0123456789"


@dataclass
class Server:
    """A server that runs: its address, and a client that speaks to it."""

    url: str
    client: httpx.Client
    stop: threading.Event
    thread: threading.Thread
    errors: list[Exception]

    @property
    def port(self):
        return httpx.URL(self.url).port

    def get(self, path, **options):
        return self.client.get(path, **options)

    def post(self, path, **options):
        return self.client.post(path, **options)

    def search(self, find, *terms, **options):
        """A query that must succeed: its answer."""
        done = self.post("/v1/search", json={"find": find, "terms": list(terms), **options})
        assert done.status_code == 200, done.text
        return done.json()

    def upload(self, path):
        """An upload that must succeed: its id."""
        done = self.post("/v1/uploads", content=Path(path).read_bytes(), headers={"X-Filename": Path(path).name})
        assert done.status_code == 201, done.text
        return done.json()["upload_id"]

    def raw(self, data, *, wait_s=10.0):
        """Everything that comes back for some bytes on a connection of their own, until it is closed."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=wait_s) as connection:
            connection.sendall(data)
            return read_all(connection)

    def end(self):
        self.client.close()
        self.stop.set()
        self.thread.join(30)
        assert not self.thread.is_alive()
        assert not self.errors


def read_all(connection):
    """What comes on a connection until the other side closes it."""
    parts = []
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(1 << 16):
            parts.append(part)
    return b"".join(parts)


@contextlib.contextmanager
def running(library, cache, *, ready=True, **options):
    """A server of a library; by default one that has loaded it. `options` are of Settings and of Limits."""
    limits = Limits(**{name: options.pop(name) for name in list(options) if hasattr(Limits(), name)})
    settings = Settings(library=Path(library), port=0, device="cpu", cache=Path(cache), limits=limits, **options)
    server = _started(settings)
    try:
        if ready:
            await_ready(server)
        yield server
    finally:
        server.end()


def _started(settings):
    """The server once it can be connected to; what it raises before is raised here."""
    stop, told, addresses, errors = threading.Event(), threading.Event(), [], []

    def tell(address):
        addresses.append(address)
        told.set()

    def run():
        try:
            serve(settings, stop, tell=tell)
        except Exception as error:  # noqa: BLE001  (raised again below)
            errors.append(error)
            told.set()

    thread = threading.Thread(target=run, name="server")
    thread.start()
    assert told.wait(60)
    if errors:
        thread.join()
        raise errors[0]
    url = addresses[0].replace("0.0.0.0", "127.0.0.1")
    return Server(url, httpx.Client(base_url=url, timeout=120, trust_env=False), stop, thread, errors)


def await_ready(server, *, ready=True):
    """Wait until the server can, or cannot, be asked."""
    wanted = 200 if ready else 503
    until(lambda: server.get("/health/ready").status_code == wanted)


def until(is_so, *, within_s=240.0):
    """Wait until something is so."""
    end = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < end, "it did not come to be"
        time.sleep(0.05)


def id_of(server, name):
    """The id of the media with a file of that name."""
    for media_id in range(1, 50):
        answer = server.get(f"/v1/media/{media_id}")
        if answer.status_code == 200 and answer.json()["name"] == name:
            return media_id
    raise LookupError(name)
