"""Segments on disk and nearest neighbours among them; opening a library needs only the first, so no faiss."""

from avsearch.vectors.durable import copy_durably, write_durably, written_aside
from avsearch.vectors.ranges import rows_of_media
from avsearch.vectors.remote_shelf import RemoteShelf
from avsearch.vectors.segments import (
    Rows,
    SegmentFile,
    count_by_media,
    map_segment,
    merge_rows,
    rows_at,
)
from avsearch.vectors.shelf import LocalShelf, Shelf, write_segment

__all__ = [
    "LocalShelf",
    "RemoteShelf",
    "Rows",
    "SegmentFile",
    "Shelf",
    "copy_durably",
    "count_by_media",
    "map_segment",
    "merge_rows",
    "rows_at",
    "rows_of_media",
    "write_durably",
    "write_segment",
    "written_aside",
]
