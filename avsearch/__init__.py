"""Search your own footage by picture and by sound, across the two.

The names below are the public ones, described in docs/api.md; each is loaded when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from avsearch.lazily import loader

if TYPE_CHECKING:
    from avsearch.api import evaluate, index, open_library, open_session
    from avsearch.errors import (
        AvsearchError,
        ClusterError,
        EngineError,
        LibraryError,
        ManifestError,
        MediaError,
        StorageError,
        TrainingError,
        UsageError,
        WeightsError,
    )
    from avsearch.library import Library
    from avsearch.moments import DIRECTIONS, Box, Direction, Hit, MediaKind, Modality, Moment
    from avsearch.query import Found, Query, Session, Source, Term, ask, parse_moment, parse_source, search
    from avsearch.remote import address

__all__ = [
    "DIRECTIONS",
    "AvsearchError",
    "Box",
    "ClusterError",
    "Direction",
    "EngineError",
    "Found",
    "Hit",
    "Library",
    "LibraryError",
    "ManifestError",
    "MediaError",
    "MediaKind",
    "Modality",
    "Moment",
    "Query",
    "Session",
    "Source",
    "StorageError",
    "Term",
    "TrainingError",
    "UsageError",
    "WeightsError",
    "address",
    "ask",
    "evaluate",
    "index",
    "open_library",
    "open_session",
    "parse_moment",
    "parse_source",
    "search",
]

__getattr__ = loader(
    __name__,
    {
        "avsearch.api": "evaluate index open_library open_session",
        "avsearch.errors": "AvsearchError ClusterError EngineError LibraryError ManifestError MediaError "
        "StorageError TrainingError UsageError WeightsError",
        "avsearch.library": "Library",
        "avsearch.moments": "DIRECTIONS Box Direction Hit MediaKind Modality Moment",
        "avsearch.remote": "address",
        "avsearch.query": "Found Query Session Source Term ask parse_moment parse_source search",
    },
)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
