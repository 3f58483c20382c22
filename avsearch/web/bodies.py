"""Requests' bodies: how large they may be, how slowly they may come, and what becomes of what nobody reads."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from avsearch.web.refusals import Refused
from avsearch.web.settings import Limits

LINGER_S = 2.0  # that the rest of a body is read and dropped, so that the client sees why
UPLOADS = "/v1/uploads"


@dataclass
class _Body:
    """How much of a body has come."""

    limits: Limits
    most_bytes: int
    num_bytes: int = 0
    is_whole: bool = False
    began: float = 0.0

    def left_s(self) -> float:
        """How long the next part may take: a body that keeps its pace is waited for."""
        now = time.monotonic()
        self.began = self.began or now
        allowed = self.limits.body_grace_s + self.num_bytes / self.limits.body_bytes_per_s
        return max(min(allowed - (now - self.began), self.limits.body_grace_s), 0.0)

    def take(self, message: Message) -> None:
        """Count a part.

        Raises:
            Refused: it is too much.
        """
        self.num_bytes += len(message.get("body", b""))
        self.is_whole = not message.get("more_body", False)
        if self.num_bytes > self.most_bytes:
            raise too_large(self.most_bytes)


def too_large(most_bytes: int) -> Refused:
    """The error of a body that is larger than is allowed."""
    return Refused(
        413, f"More than {most_bytes} bytes are not taken.", hint="Send less: a shorter or smaller file."
    )


class PatientBodies:
    """Bounds bodies in size and time, and ends the connection of a client whose body was not read to its end."""

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self._app = app
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        is_upload = scope["path"].rstrip("/") == UPLOADS
        body = _Body(self._limits, self._limits.upload_bytes if is_upload else self._limits.json_bytes)
        body.is_whole = not _has_body(headers)

        async def receive_part() -> Message:
            if body.is_whole:  # whatever comes now says that the client has gone
                return await receive()
            try:
                async with asyncio.timeout(body.left_s()):
                    message = await receive()
            except TimeoutError:
                raise Refused(408, "The body comes too slowly.", hint="Try again on a better line.") from None
            body.take(message)
            return message

        async def send_part(message: Message) -> None:
            if body.is_whole:
                await send(message)
            else:
                await _send_and_leave(message, send, receive)

        await self._app(scope, receive_part, send_part)


async def _send_and_leave(message: Message, send: Send, receive: Receive) -> None:
    """Answer before the body has come: say that the connection ends, and linger until the answer was read."""
    if message["type"] == "http.response.start":
        headers = [(name, value) for name, value in message["headers"] if name.lower() != b"connection"]
        await send({**message, "headers": [*headers, (b"connection", b"close")]})
    elif message.get("more_body", False):
        await send(message)
    else:
        await send({**message, "more_body": True})
        await _linger(receive)
        await send({"type": "http.response.body", "body": b""})


async def _linger(receive: Receive) -> None:
    try:
        async with asyncio.timeout(LINGER_S):
            message: Message = {"type": "http.request", "more_body": True}
            while message["type"] == "http.request" and message.get("more_body", False):
                message = await receive()
    except TimeoutError:
        return


def _has_body(headers: Headers) -> bool:
    return "transfer-encoding" in headers or headers.get("content-length", "0").strip() not in {"0", ""}
