"""Ask a running server of the same library, with as few imports as can be: even `http.client` takes too long."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from avsearch import errors
from avsearch.web.exchange import SEARCH_PATH, query_bytes, read_found, socket_address

if TYPE_CHECKING:
    from avsearch.query import Found, Query

CONNECT_S = 0.2
ANSWER_S = 600.0
_OK, _UNPROCESSABLE = 200, 422
_OF_THE_QUERY = {"UsageError": errors.UsageError, "MediaError": errors.MediaError}


def ask_server(library_dir: Path, query: Query) -> Found | None:
    """What a server of this library finds; None where none runs, or it cannot answer this query now.

    Args:
        library_dir: the library's directory.
        query: files by their paths; the server reads them itself.

    Raises:
        UsageError, MediaError: what the query itself would raise without a server.
    """
    try:
        library_id = json.loads((library_dir / "library.json").read_bytes())["library_id"]
        status, body = _exchange(library_dir, query_bytes(library_id, query))
        if status == _OK:
            return read_found(body)
        told = json.loads(body)
        kind = _OF_THE_QUERY.get(told["kind"]) if status == _UNPROCESSABLE else None
    except (OSError, LookupError, TypeError, ValueError, AttributeError):
        return None  # no library, no server, or one of another version: the command does without it
    if kind is not None:
        raise kind(told["message"], hint=told["hint"])
    return None


def _exchange(library_dir: Path, body: bytes) -> tuple[int, bytes]:
    """Status and body of the answer, in the plainest HTTP.

    Raises:
        OSError: nobody listens, or the server went away.
        ValueError: the answer is not whole.
    """
    head = f"POST {SEARCH_PATH} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(CONNECT_S)
        with socket_address(library_dir) as address:
            connection.connect(address)
        connection.settimeout(ANSWER_S)
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode("ascii") + body)
        parts = []
        while part := connection.recv(1 << 18):
            parts.append(part)
    told, _, answer = b"".join(parts).partition(b"\r\n\r\n")
    first, *headers = told.decode("latin-1").lower().split("\r\n")
    if f"content-length: {len(answer)}" not in headers:
        raise ValueError("the answer was cut off")
    return int(first.split(" ")[1]), answer
