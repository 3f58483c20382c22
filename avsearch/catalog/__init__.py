"""All SQL of a library; dataclasses in and out."""

from avsearch.catalog.basis import Basis
from avsearch.catalog.claims import Claim, FileOnDisk
from avsearch.catalog.database import ConnectionLostError, Database, UnreachableError, find_database
from avsearch.catalog.figures import IndexerRecord, Status
from avsearch.catalog.indexing import IndexerCatalog, indexer_session
from avsearch.catalog.paths import Place
from avsearch.catalog.publication import (
    Coverage,
    Lost,
    NewSegment,
    Publication,
    Replacement,
    SegmentRecord,
    Snapshot,
)
from avsearch.catalog.reading import Catalog
from avsearch.catalog.records import (
    EncoderRecord,
    FileState,
    IndexedMedia,
    MediaFilter,
    MediaRecord,
    NewEncoder,
    Root,
    State,
)
from avsearch.catalog.session import write_session
from avsearch.catalog.writing import CatalogWriter

__all__ = [
    "Basis",
    "Catalog",
    "CatalogWriter",
    "Claim",
    "ConnectionLostError",
    "Coverage",
    "Database",
    "EncoderRecord",
    "FileOnDisk",
    "FileState",
    "IndexedMedia",
    "IndexerCatalog",
    "IndexerRecord",
    "Lost",
    "MediaFilter",
    "MediaRecord",
    "NewEncoder",
    "NewSegment",
    "Place",
    "Publication",
    "Replacement",
    "Root",
    "SegmentRecord",
    "Snapshot",
    "State",
    "Status",
    "UnreachableError",
    "find_database",
    "indexer_session",
    "write_session",
]
