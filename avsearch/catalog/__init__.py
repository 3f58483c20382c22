"""All SQL of a library; dataclasses in and out."""

from avsearch.catalog.database import Database, find_database
from avsearch.catalog.reading import Catalog
from avsearch.catalog.records import (
    Coverage,
    EncoderRecord,
    FileState,
    IndexedMedia,
    Lost,
    MediaFilter,
    MediaRecord,
    NewEncoder,
    NewSegment,
    Publication,
    Replacement,
    Root,
    SegmentRecord,
    Snapshot,
    State,
    Status,
)
from avsearch.catalog.session import write_session
from avsearch.catalog.writing import CatalogWriter

__all__ = [
    "Catalog",
    "CatalogWriter",
    "Coverage",
    "Database",
    "EncoderRecord",
    "FileState",
    "IndexedMedia",
    "Lost",
    "MediaFilter",
    "MediaRecord",
    "NewEncoder",
    "NewSegment",
    "Publication",
    "Replacement",
    "Root",
    "SegmentRecord",
    "Snapshot",
    "State",
    "Status",
    "find_database",
    "write_session",
]
