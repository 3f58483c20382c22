"""All SQL of a library; dataclasses in and out."""

from avsearch.catalog.database import Database, find_database
from avsearch.catalog.reading import Catalog
from avsearch.catalog.records import (
    EncoderRecord,
    FileState,
    IndexedMedia,
    MediaRecord,
    NewEncoder,
    NewSegment,
    Publication,
    Root,
    SegmentRecord,
    Snapshot,
    State,
    Status,
)
from avsearch.catalog.writing import CatalogWriter

__all__ = [
    "Catalog",
    "CatalogWriter",
    "Database",
    "EncoderRecord",
    "FileState",
    "IndexedMedia",
    "MediaRecord",
    "NewEncoder",
    "NewSegment",
    "Publication",
    "Root",
    "SegmentRecord",
    "Snapshot",
    "State",
    "Status",
    "find_database",
]
