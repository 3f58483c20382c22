"""Leases: which files indexers have in hand, where several are at work on one server; within a transaction.

A lease is good as long as its indexer is there: holds the library's lock, and has said so lately. Times are those
of the server's clock, so that the clocks of machines need not agree.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Protocol

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    cast,
    delete,
    extract,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql

from avsearch.catalog.coverage import covered_by
from avsearch.catalog.encoders import read_active_encoder
from avsearch.catalog.figures import IndexerRecord
from avsearch.catalog.inserts import storable_ns
from avsearch.catalog.locks import holding_backends
from avsearch.catalog.paths import Place
from avsearch.catalog.records import FileState, Root, State
from avsearch.catalog.rows import chunks, file_state, read_roots
from avsearch.schema import file, indexer, lease

LEASE_S = 120.0

_NOW_US: ColumnElement[int] = cast(extract("epoch", func.clock_timestamp()) * 1_000_000, BigInteger)


class FileOnDisk(Protocol):
    """A file below a root, as it lies on the disk."""

    @property
    def root(self) -> Root: ...

    @property
    def path(self) -> Path: ...

    @property
    def size_bytes(self) -> int: ...

    @property
    def mtime_ns(self) -> int: ...

    @property
    def etag(self) -> str | None: ...


@dataclass(frozen=True)
class Claim:
    """Whose files are that were asked for; all others are in other hands at the moment.

    Attributes:
        ours: those that the asker may read, and nobody else.
        done: those that somebody has dealt with as they are now, and what came of it.
    """

    ours: frozenset[Path] = frozenset()
    done: Mapping[Path, FileState] = field(default_factory=dict)


def put_indexer(connection: Connection, name: str) -> int:
    """A new indexer, at this connection; its id."""
    connection.execute(
        delete(indexer).where(indexer.c.backend_pid == func.pg_backend_pid())
    )  # it is another's no more
    values = {
        "name": name,
        "backend_pid": func.pg_backend_pid(),
        "started_at_us": _NOW_US,
        "expires_at_us": _NOW_US + _lease_us(),
    }
    return int(connection.execute(insert(indexer).values(values).returning(indexer.c.id)).scalar_one())


def extend_leases(connection: Connection, indexer_id: int) -> bool:
    """An indexer is still there; whether others still believe so, and have left it its leases."""
    later = update(indexer).where(indexer.c.id == indexer_id).values(expires_at_us=_NOW_US + _lease_us())
    return connection.execute(later).rowcount == 1


def delete_dead(connection: Connection, key: int) -> None:
    """Indexers that are not there any more go, and their leases with them."""
    connection.execute(delete(indexer).where(~_is_there(key)))


def take_leases(connection: Connection, indexer_id: int, paths: Sequence[Path]) -> frozenset[Path]:
    """Lease files that nobody has; those that the indexer has then."""
    path_of = {_digest(path): path for path in paths}
    values = [{"path_digest": digest, "indexer_id": indexer_id} for digest in path_of]
    for some in chunks(values):
        connection.execute(postgresql.insert(lease).values(list(some)).on_conflict_do_nothing())
    return frozenset(path_of[digest] for digest in _held_by(connection, indexer_id, list(path_of)))


def lost_leases(connection: Connection, indexer_id: int, paths: Mapping[Place, Path]) -> frozenset[Place]:
    """Those of the files that an indexer has no lease for."""
    digests = {place: _digest(path) for place, path in paths.items()}
    held = _held_by(connection, indexer_id, list(digests.values()))
    return frozenset(place for place, digest in digests.items() if digest not in held)


def give_back_leases(connection: Connection, indexer_id: int, paths: Iterable[Path]) -> None:
    """An indexer is through with files."""
    for some in chunks([_digest(path) for path in paths]):
        connection.execute(delete(lease).where(lease.c.indexer_id == indexer_id, lease.c.path_digest.in_(some)))


def read_in_other_hands(
    connection: Connection, key: int, indexer_id: int, paths: Sequence[Path]
) -> dict[Path, str]:
    """Those of the files that other indexers have in hand -> who."""
    path_of = {_digest(path): path for path in paths}
    others = select(lease.c.path_digest, indexer.c.name).join(indexer).where(_is_there(key))
    found: dict[Path, str] = {}
    for some in chunks(list(path_of)):
        rows = connection.execute(others.where(indexer.c.id != indexer_id, lease.c.path_digest.in_(some)))
        found.update((path_of[row.path_digest], row.name) for row in rows)
    return found


def read_done(connection: Connection, files: Sequence[FileOnDisk]) -> dict[Path, FileState]:
    """Those of the files that were dealt with as they are on the disk, and what came of it."""
    active = read_active_encoder(connection)
    if active is None:
        return {}
    is_dealt_with = or_(file.c.state == State.FAILED, file.c.media_id.in_(covered_by(active.id)))
    known = select(file).where(file.c.state.in_((State.INDEXED, State.FAILED)), is_dealt_with)
    found: dict[Path, FileState] = {}
    for root, below in _by_root(read_roots(connection), files).items():
        for some in chunks(list(below)):
            for row in connection.execute(known.where(file.c.root_id == root.id, file.c.path.in_(some))):
                one = below[row.path]
                now = (one.size_bytes, storable_ns(one.mtime_ns), one.etag)
                if (row.size_bytes, row.mtime_ns, row.etag) == now:
                    found[one.path] = file_state(row)
    return found


def read_indexers(connection: Connection, key: int) -> tuple[IndexerRecord, ...]:
    """Who indexes at the moment, and how many files each has in hand."""
    counted = select(indexer, func.count(lease.c.path_digest).label("num_files")).outerjoin(lease)
    rows = connection.execute(counted.where(_is_there(key)).group_by(indexer.c.id).order_by(indexer.c.id))
    return tuple(IndexerRecord(row.name, row.started_at_us, row.num_files) for row in rows)


def _is_there(key: int) -> ColumnElement[bool]:
    """Whether a row of `indexer` is one who holds the library's lock, and has said so lately."""
    return indexer.c.backend_pid.in_(holding_backends(key)) & (indexer.c.expires_at_us >= _NOW_US)


def _by_root(roots: Sequence[Root], files: Iterable[FileOnDisk]) -> dict[Root, dict[bytes, FileOnDisk]]:
    """Roots -> the files below them by relative path; files outside all roots are left out."""
    below: defaultdict[Root, dict[bytes, FileOnDisk]] = defaultdict(dict)
    for one in files:
        root = next((root for root in roots if one.path.is_relative_to(root.path)), None)
        if root is not None:
            below[root][root.relative(one.path)] = one
    return below


def _held_by(connection: Connection, indexer_id: int, digests: Sequence[bytes]) -> set[bytes]:
    held: set[bytes] = set()
    for some in chunks(digests):
        own = select(lease.c.path_digest).where(lease.c.indexer_id == indexer_id, lease.c.path_digest.in_(some))
        held.update(connection.scalars(own))
    return held


def _lease_us() -> int:
    return round(LEASE_S * 1_000_000)


def _digest(path: Path) -> bytes:
    return blake2b(os.fsencode(path), digest_size=16).digest()
