"""The page and its files, as they lie in the package; nothing is looked up on the disk when somebody asks."""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping
from importlib.resources import files

import xxhash
from fastapi import APIRouter, Request
from starlette.responses import Response

from avsearch.web.ranges import Sent, bytes_response
from avsearch.web.refusals import Refused

INDEX = "index.html"
_CACHING = "no-cache"  # kept by the browser, and confirmed by its ETag each time
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
    ".webmanifest": "application/manifest+json",
}

router = APIRouter(include_in_schema=False)
PageFiles = Mapping[str, tuple[bytes, Sent]]


def read_page() -> PageFiles:
    """All files of the page by name, with what is said of them."""
    found: dict[str, tuple[bytes, Sent]] = {}
    folders = [("", files("avsearch.web") / "page")]
    while folders:
        prefix, folder = folders.pop()
        if not folder.is_dir():
            continue
        for entry in folder.iterdir():
            if entry.is_dir():
                folders.append((f"{prefix}{entry.name}/", entry))
            elif not entry.name.startswith((".", "__")):
                data = entry.read_bytes()
                sent = Sent(_type(entry.name), xxhash.xxh3_128_hexdigest(data), caching=_CACHING)
                found[prefix + entry.name] = data, sent
    return found


@router.get("/")
async def page(request: Request) -> Response:
    """The page."""
    return _answer(request, INDEX)


@router.get("/static/{name:path}")
async def static(request: Request, name: str) -> Response:
    """A file of the page."""
    return _answer(request, name)


def _answer(request: Request, name: str) -> Response:
    found: PageFiles = request.app.state.page
    if name not in found:
        raise Refused(404, "The page has no such file.")
    data, sent = found[name]
    return bytes_response(request, data, sent)


def _type(name: str) -> str:
    suffix = name[name.rfind(".") :]
    return _TYPES.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
