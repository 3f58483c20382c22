"""A library: a catalog, vectors and an encoder that agree, also after a crash."""

from avsearch.library.batch import Batch
from avsearch.library.compaction import Compacted, compact
from avsearch.library.copies import Held, engine_of, held_by_engine
from avsearch.library.engine import move_back, move_to_milvus
from avsearch.library.nearby import Nearby, nearby, open_nearby
from avsearch.library.parquet import Exported, export
from avsearch.library.removal import Relinked, Removed, relink, remove
from avsearch.library.store import Library, View, create_library, open_library, upgrade_library
from avsearch.library.verify import Problem, damaged_segments, orphans, verify
from avsearch.library.writer import Writer

__all__ = [
    "Batch",
    "Compacted",
    "Exported",
    "Held",
    "Library",
    "Nearby",
    "Problem",
    "Relinked",
    "Removed",
    "View",
    "Writer",
    "compact",
    "create_library",
    "damaged_segments",
    "engine_of",
    "export",
    "held_by_engine",
    "move_back",
    "move_to_milvus",
    "nearby",
    "open_library",
    "open_nearby",
    "orphans",
    "relink",
    "remove",
    "upgrade_library",
    "verify",
]
