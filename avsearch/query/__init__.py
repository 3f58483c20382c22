"""A file of either modality, a part of it, or a stored moment -> the moments of a library that are most like it.

The names are loaded when they are first used: a command that a server answers needs only `asking`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from avsearch.lazily import loader

if TYPE_CHECKING:
    from avsearch.query.asking import Found, Query, Source, Term, parse_moment, parse_source
    from avsearch.query.devices import Hold
    from avsearch.query.embedding import Embedder, Encodes, side
    from avsearch.query.opening import ask, open_session, search, weights_of
    from avsearch.query.ranking import Searchable, nearest_hits
    from avsearch.query.session import Prepared, Session
    from avsearch.query.stages import STAGES, Stages

__all__ = [
    "STAGES",
    "Embedder",
    "Encodes",
    "Found",
    "Hold",
    "Prepared",
    "Query",
    "Searchable",
    "Session",
    "Source",
    "Stages",
    "Term",
    "ask",
    "nearest_hits",
    "open_session",
    "parse_moment",
    "parse_source",
    "search",
    "side",
    "weights_of",
]

__getattr__ = loader(
    __name__,
    {
        "avsearch.query.asking": "Found Query Source Term parse_moment parse_source",
        "avsearch.query.devices": "Hold",
        "avsearch.query.embedding": "Embedder Encodes side",
        "avsearch.query.opening": "ask open_session search weights_of",
        "avsearch.query.ranking": "Searchable nearest_hits",
        "avsearch.query.session": "Prepared Session",
        "avsearch.query.stages": "STAGES Stages",
    },
)
