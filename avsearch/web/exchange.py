"""How the command line asks a server of the same library: one exchange over a socket in the library's directory.

Imports next to nothing: `avsearch query` is to be done before torch would have been loaded.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avsearch.moments import Box, Hit, MediaKind, Modality, Moment
from avsearch.remote import is_remote

if TYPE_CHECKING:
    from avsearch.query import Found, Query, Term

PROTOCOL = 2
SOCKET_NAME = "serve.sock"
SEARCH_PATH = "/local/search"
_PLAIN = ("k", "where", "per_media", "min_score", "exclude_self", "duplicates", "exact")
LONGEST_ADDRESS = 100  # bytes; the system takes 107


@contextmanager
def socket_address(directory: Path) -> Iterator[str]:
    """The address of a library's socket; of one whose name is too long for a socket, by way of its open folder.

    Raises:
        OSError: the folder cannot be opened.
    """
    path = directory.absolute() / SOCKET_NAME
    if len(os.fsencode(path)) <= LONGEST_ADDRESS:
        yield str(path)
        return
    folder = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{SOCKET_NAME}"
    finally:
        os.close(folder)


def query_bytes(library_id: str, query: Query) -> bytes:
    """A query as JSON; paths become absolute, and keep bytes that are no UTF-8."""
    fields = {
        "find": query.find,
        "terms": [_term_fields(term) for term in query.terms],
        "k": query.k,
        "where": query.where,
        "per_media": query.per_media,
        "min_score": query.min_score,
        "exclude_self": query.exclude_self,
        "duplicates": query.duplicates,
        "exact": query.exact,
    }
    return json.dumps({"protocol": PROTOCOL, "library_id": library_id, "query": fields}).encode("ascii")


def read_query(fields: Mapping[str, Any]) -> Query:
    """What `query_bytes` wrote.

    Raises:
        KeyError, TypeError, ValueError: it is something else.
        UsageError: it cannot mean anything.
    """
    from avsearch.query import Query  # noqa: PLC0415  (only the server comes here)

    others = {name: fields[name] for name in _PLAIN}
    return Query(find=Modality(fields["find"]), terms=tuple(map(_term, fields["terms"])), **others)


def found_bytes(found: Found) -> bytes:
    """What was found, as JSON."""
    hits = [asdict(hit) | {"path": str(hit.path)} for hit in found.hits]
    fields = {"hits": hits, "num_duplicates": found.num_duplicates, "timings": dict(found.timings)}
    return json.dumps(fields).encode("ascii")


def read_found(data: bytes) -> Found:
    """What `found_bytes` wrote.

    Raises:
        KeyError, TypeError, ValueError: it is something else.
    """
    from avsearch.query import Found  # noqa: PLC0415  (after the answer has come)

    fields = json.loads(data)
    hits = tuple(
        Hit(
            **hit
            | {
                "path": Path(hit["path"]),
                "modality": Modality(hit["modality"]),
                "labels": tuple(hit["labels"]),
                "kind": MediaKind(hit["kind"]),
            }
        )
        for hit in fields["hits"]
    )
    return Found(hits, fields["num_duplicates"], fields["timings"])


def _whole(path: Path) -> str:
    return str(path if is_remote(path) else path.absolute())


def _term_fields(term: Term) -> dict[str, Any]:
    source = term.source
    common = {"weight": term.weight, "by": term.by}
    if isinstance(source, Moment):
        return common | {"moment": [source.media_id, source.modality, source.start_us]}
    crop = None if source.crop is None else [*asdict(source.crop).values()]
    file = {"path": _whole(source.path), "start_us": source.start_us, "end_us": source.end_us, "crop": crop}
    return common | {"source": file}


def _term(fields: Mapping[str, Any]) -> Term:
    from avsearch.query import Source, Term  # noqa: PLC0415  (only the server comes here)

    by = None if fields["by"] is None else Modality(fields["by"])
    if "moment" in fields:
        media_id, modality, start_us = fields["moment"]
        return Term(Moment(media_id, Modality(modality), start_us), fields["weight"], by)
    file = fields["source"]
    crop = None if file["crop"] is None else Box(*file["crop"])
    return Term(Source(Path(file["path"]), file["start_us"], file["end_us"], crop), fields["weight"], by)
