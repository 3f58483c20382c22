"""A library: a catalog, vectors and an encoder that agree, also after a crash."""

from avsearch.library.batch import Batch
from avsearch.library.layout import default_library
from avsearch.library.store import Library, create_library, open_library, upgrade_library
from avsearch.library.verify import Problem, orphans, verify
from avsearch.library.writer import Writer

__all__ = [
    "Batch",
    "Library",
    "Problem",
    "Writer",
    "create_library",
    "default_library",
    "open_library",
    "orphans",
    "upgrade_library",
    "verify",
]
