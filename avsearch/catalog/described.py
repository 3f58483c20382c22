"""What is known about media, and which media lie where; within a transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from avsearch.catalog.paths import Place
from avsearch.catalog.records import MediaRecord, State
from avsearch.catalog.rows import chunks, media_info, media_record, read_roots
from avsearch.moments import MediaInfo
from avsearch.schema import file, label, media

_INDEXED: Any = file.c.state == State.INDEXED


def read_media(connection: Connection, media_ids: Sequence[int]) -> dict[int, MediaRecord]:
    """Media by id; unknown ids are left out."""
    labels = _read_labels(connection, media_ids)
    paths = _read_paths(connection, media_ids)
    found: dict[int, MediaRecord] = {}
    for some in chunks(media_ids):
        for row in connection.execute(select(media).where(media.c.id.in_(some))):
            found[row.id] = media_record(row, labels=labels.get(row.id, ()), paths=paths[row.id])
    return found


def read_media_at(connection: Connection, places: AbstractSet[Place]) -> dict[Place, int]:
    """Places of indexed files -> media ids; others are left out."""
    paths_of_root: defaultdict[int, list[bytes]] = defaultdict(list)
    for root_id, path in places:
        paths_of_root[root_id].append(path)
    found: dict[Place, int] = {}
    for root_id, paths in paths_of_root.items():
        indexed = select(file.c.path, file.c.media_id).where(_INDEXED, file.c.root_id == root_id)
        for some in chunks(paths):
            rows = connection.execute(indexed.where(file.c.path.in_(some)))
            found.update(((root_id, path), media_id) for path, media_id in rows)
    return found


def read_info_at(
    connection: Connection, places: Sequence[Place], *, size_bytes: int, mtime_ns: int
) -> MediaInfo | None:
    """What was read of the indexed file at the first of the places that has one of that size and time."""
    unchanged = select(media).join(file, file.c.media_id == media.c.id)
    unchanged = unchanged.where(_INDEXED, file.c.size_bytes == size_bytes, file.c.mtime_ns == mtime_ns)
    for root_id, path in places:
        row = connection.execute(unchanged.where(file.c.root_id == root_id, file.c.path == path)).first()
        if row is not None:
            return media_info(row)
    return None


def _read_labels(connection: Connection, media_ids: Sequence[int]) -> Mapping[int, list[str]]:
    labels: defaultdict[int, list[str]] = defaultdict(list)
    for some in chunks(media_ids):
        for media_id, text in connection.execute(select(label).where(label.c.media_id.in_(some))):
            labels[media_id].append(text)
    return {media_id: sorted(some) for media_id, some in labels.items()}  # databases have orders of their own


def _read_paths(connection: Connection, media_ids: Sequence[int]) -> Mapping[int, list[Path]]:
    roots = {root.id: root for root in read_roots(connection)}
    paths: defaultdict[int, list[Path]] = defaultdict(list)
    for some in chunks(media_ids):
        indexed = select(file).where(_INDEXED, file.c.media_id.in_(some))
        for row in connection.execute(indexed.order_by(file.c.id)):
            paths[row.media_id].append(roots[row.root_id].absolute(row.path))
    return paths
