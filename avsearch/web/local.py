"""The socket in the library's directory: only its owner can connect, so files may be named by their paths there."""

from __future__ import annotations

import json
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from avsearch.errors import AvsearchError
from avsearch.query import Found, Query
from avsearch.web.exchange import PROTOCOL, SEARCH_PATH, SOCKET_NAME, found_bytes, read_query, socket_address
from avsearch.web.observing import seen_of
from avsearch.web.refusals import Refused
from avsearch.web.services import Services

_ASKS_S = 0.2  # for a server that is there already


@contextmanager
def local_socket(directory: Path) -> Iterator[tuple[socket.socket | None, str]]:
    """The library's socket, listening, mode 0600; or none, and why. Its file goes at the end.

    One that a killed server left behind is replaced; another server that runs keeps its own.
    """
    path = directory / SOCKET_NAME
    try:
        with socket_address(directory) as address:
            listening = _listen(address)
            own = path.lstat().st_ino
    except OSError as error:
        yield None, error.strerror or str(error)
        return
    try:
        yield listening, ""
    finally:
        listening.close()
        with suppress(OSError):
            if path.lstat().st_ino == own:
                path.unlink()


def _listen(address: str) -> socket.socket:
    if _answers(address):
        raise OSError(0, "another server has it")
    with suppress(FileNotFoundError):
        if stat.S_ISSOCK(os.lstat(address).st_mode):
            os.unlink(address)  # noqa: PTH108  (an address, by way of an open folder perhaps)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listening.bind(address)
    except BaseException:
        listening.close()
        raise
    finally:
        os.umask(before)
    listening.listen(128)
    return listening


def _answers(address: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.settimeout(_ASKS_S)
        try:
            asking.connect(address)
        except OSError:
            return False
    return True


class Apart:
    """Requests that come over the library's socket go to one application, all others to another."""

    def __init__(self, local: ASGIApp, network: ASGIApp, address: str | None) -> None:
        self._local = local
        self._network = network
        self._server = (address, None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_local = self._server[0] is not None and scope.get("server") == self._server
        await (self._local if is_local else self._network)(scope, receive, send)


class LocalQueries:
    """`POST /local/search`: a query of the command line, files by their paths."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        seen_of(request).route = SEARCH_PATH
        try:
            response = await self._answer(request)
        except Refused as error:
            response = _error(error.status_code, "Refused", error.detail, error.hint)
        except AvsearchError as error:
            response = _error(422, type(error).__name__, error.message, error.hint)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if (request.method, request.url.path) != ("POST", SEARCH_PATH):
            raise Refused(404, "There is nothing at this address.")
        library_id, query = _read(await request.body())
        found, waited_s = await self._services.asking.run(request, lambda: self._ask(library_id, query))
        seen_of(request).stages |= {"queue": waited_s, **found.timings}
        return Response(found_bytes(found), media_type="application/json")

    def _ask(self, library_id: str, query: Query) -> Found:
        served = self._services.served
        served.look()  # what was indexed a moment ago is to be found
        if served.library().layout.config.library_id != library_id:
            raise Refused(409, "Another library is served here.")
        return served.asked().session.ask(query)


def _read(body: bytes) -> tuple[str, Query]:
    try:
        asked = json.loads(body)
        if asked["protocol"] != PROTOCOL:
            raise Refused(409, "The server is of another version.")
        return str(asked["library_id"]), read_query(asked["query"])
    except (KeyError, TypeError, ValueError) as error:
        raise Refused(400, "The query cannot be read.") from error


def _error(status: int, kind: str, message: str, hint: str) -> Response:
    """An error of ours that the command line raises again, by the name of its kind."""
    body = json.dumps({"kind": kind, "message": message, "hint": hint}).encode("ascii")
    return Response(body, status, media_type="application/json")
