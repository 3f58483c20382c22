"""Files over HTTP, whole or in part: one range, from the start or from the end; ETags decide what is still good."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import BinaryIO
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from avsearch.web.refusals import error_body, whole

CHUNK_BYTES = 1 << 18
HEAD = "avsearch.head"  # in a scope: the client wants no body
PRIVATE = "private, max-age=3600"
ALWAYS_ASKED = "private, no-cache"
_RANGE = re.compile(r"bytes=\s*(?P<first>[0-9]{0,18})-(?P<last>[0-9]{0,18})\s*", re.IGNORECASE)


@dataclass(frozen=True)
class Part:
    """Bytes [start, end) of a file."""

    start: int
    end: int

    @property
    def size(self) -> int:
        return self.end - self.start


@dataclass(frozen=True)
class Sent:
    """What is said of a file that is sent.

    Attributes:
        content_type: its MIME type.
        etag: without quotes; the same as long as the bytes are.
        name: what it would be called if it were saved; empty for none.
        caching: for `Cache-Control`.
    """

    content_type: str
    etag: str
    name: str = ""
    caching: str = PRIVATE

    def headers(self) -> dict[str, str]:
        named = {}
        if self.name:
            named["Content-Disposition"] = f"inline; filename*=UTF-8''{quote(whole(self.name), safe='')}"
        return {
            "Content-Type": self.content_type,
            "ETag": f'"{self.etag}"',
            "Cache-Control": self.caching,
            **named,
        }


def parse_range(header: str, size: int) -> Part | None:
    """The one range asked for; None where the whole file is the right answer: no range, several, or nonsense.

    Raises:
        ValueError: the range lies outside of the file.
    """
    found = _RANGE.fullmatch(header)
    if found is None or not (found["first"] or found["last"]):
        return None
    if not found["first"]:
        start, end = size - min(int(found["last"]), size), size
    else:
        start = int(found["first"])
        end = min(int(found["last"]) + 1, size) if found["last"] else size
        if found["last"] and int(found["last"]) < start:
            return None
    if start >= end:
        raise ValueError(f"{header} of {size} bytes")
    return Part(start, end)


def bytes_response(request: Request, data: bytes, sent: Sent, *, headers: dict[str, str] | None = None) -> Response:
    """A small answer that is whole or, where the client has it, only confirmed."""
    told = sent.headers() | (headers or {})
    if _has_it(request, sent):
        return Response(status_code=304, headers=told)
    return Response(data, headers=told)


def file_response(request: Request, file: BinaryIO, sent: Sent) -> Response:
    """An answer with a file or a part of it; the file is closed when the answer has ended."""
    size = os.fstat(file.fileno()).st_size
    told = sent.headers() | {"Accept-Ranges": "bytes"}
    if _has_it(request, sent):
        file.close()
        return Response(status_code=304, headers=told)
    try:
        part = parse_range(request.headers.get("range", ""), size) if _may_be_part(request, sent) else None
    except ValueError:
        file.close()
        body = error_body("The range lies outside of the file.", f"It has {size} bytes.")
        told = {"Content-Range": f"bytes */{size}", "Content-Type": "application/json"}
        return Response(body, 416, told)
    whole_file = Part(0, size)
    if part is None:
        return _PartOfFile(file, whole_file, 200, told)
    return _PartOfFile(file, part, 206, told | {"Content-Range": f"bytes {part.start}-{part.end - 1}/{size}"})


class _PartOfFile(StreamingResponse):
    """Sends a part of an open file, and closes it however that ends."""

    def __init__(self, file: BinaryIO, part: Part, status: int, headers: dict[str, str]) -> None:
        self._file, self._part = file, part
        super().__init__(self._chunks(), status, headers | {"Content-Length": str(part.size)})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if scope.get(HEAD):
                self.body_iterator = _nothing()
            await super().__call__(scope, receive, send)
        finally:
            self._file.close()

    async def _chunks(self) -> AsyncIterator[bytes]:
        at = self._part.start
        while at < self._part.end:
            size = min(CHUNK_BYTES, self._part.end - at)
            chunk = await run_in_threadpool(os.pread, self._file.fileno(), size, at)
            if not chunk:
                raise OSError("the file became shorter while it was sent")
            yield chunk
            at += len(chunk)


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield b""


def _has_it(request: Request, sent: Sent) -> bool:
    known = request.headers.get("if-none-match", "")
    tags = [tag.strip().removeprefix("W/") for tag in known.split(",")]
    return "*" in tags or f'"{sent.etag}"' in tags


def _may_be_part(request: Request, sent: Sent) -> bool:
    """A part is only good to a client whose other parts are of the same bytes."""
    condition = request.headers.get("if-range")
    return condition is None or condition.strip() == f'"{sent.etag}"'
