"""Connections: how many there may be, how slowly a request's head may come, how long an answer may stay unread.

uvicorn itself waits for ever for the rest of a head, and for a client to read: a thousand such clients would hold a
thousand connections. Here each of them has a time, and then its connection is cut.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from avsearch.web.guard import HEADERS
from avsearch.web.refusals import error_body
from avsearch.web.settings import Limits


class BoundedConnection(H11Protocol):
    """One connection of a client; `limits` are those of the server."""

    limits = Limits()

    def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401  (uvicorn's own)
        super().__init__(*arguments, **options)
        self._head: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.limits.num_connections:
            transport.write(_TOO_MANY)
            transport.close()
        else:
            self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop(self._head, self._unread)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._follow()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._follow()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stop(self._unread)
        self._unread = self.loop.call_later(self.limits.write_stall_s, self.transport.abort)

    def resume_writing(self) -> None:
        self._stop(self._unread)
        super().resume_writing()

    def _follow(self) -> None:
        """The time for the next head begins with its first byte, and no later byte extends it."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop(self._head)
            self._head = None
        elif self.conn.trailing_data[0] and self._head is None:
            self._expect_head()

    def _expect_head(self) -> None:
        self._head = self.loop.call_later(self.limits.head_s, self.transport.abort)

    @staticmethod
    def _stop(*timers: asyncio.TimerHandle | None) -> None:
        for timer in timers:
            if timer is not None:
                timer.cancel()


def connections_with(limits: Limits) -> type[BoundedConnection]:
    """The class of a server's connections."""
    return type("BoundedConnection", (BoundedConnection,), {"limits": limits})


def _too_many() -> bytes:
    body = error_body("There are too many connections.", "Try again in a moment.")
    headers = HEADERS | {
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Connection": "close",
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in (headers | {"Retry-After": "2"}).items())
    return f"HTTP/1.1 503 Service Unavailable\r\n{head}\r\n".encode() + body


_TOO_MANY = _too_many()
