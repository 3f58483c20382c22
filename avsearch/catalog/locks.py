"""Locks of a PostgreSQL server that stand for a library: who holds them; within a transaction.

One who changes a library as a whole holds its lock alone; indexers hold it together. It belongs to a connection,
and dies with it.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

from sqlalchemy import Connection, Integer, Select, String, Subquery, column, func, select, table, text

from avsearch.errors import LibraryError

MAX_NAME_BYTES = 63  # that a server keeps of an application's name
INDEXER = "index"

_HELD = """
    SELECT pid, mode FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND ((classid::bigint << 32) | objid::bigint) = :key
"""


@dataclass(frozen=True)
class Holder:
    """One who holds a library's lock, in words, and whether alone."""

    name: str
    is_alone: bool


def lock_key(library_id: str) -> int:
    """The number that stands for a library among a server's locks: 64 bits with a sign."""
    return int.from_bytes(blake2b(library_id.encode(), digest_size=8).digest(), "big", signed=True)


def own_name(doing: str) -> str:
    """What this process tells others of itself, as `compact, process 12 on studio`."""
    whole = f"{doing}, process {os.getpid()} on {socket.gethostname()}"
    return whole.encode("ascii", "replace")[:MAX_NAME_BYTES].decode("ascii")


def take_lock(connection: Connection, key: int, *, is_alone: bool) -> bool:
    """Whether this connection holds the lock from now on."""
    attempt = func.pg_try_advisory_lock if is_alone else func.pg_try_advisory_lock_shared
    return bool(connection.scalar(select(attempt(key))))


def take_lock_for_transaction(connection: Connection, key: int) -> bool:
    """The same, alone, and only until the end of the transaction."""
    return bool(connection.scalar(select(func.pg_try_advisory_xact_lock(key))))


def holding_backends(key: int) -> Select[tuple[int]]:
    """The server's processes at the other end of the connections that hold the lock."""
    return select(_held(key).c.pid)


def read_holders(connection: Connection, key: int) -> list[Holder]:
    """Who else holds the lock."""
    held = _held(key)
    activity = table("pg_stat_activity", column("pid"), column("application_name", String()))
    is_alone = func.bool_or(held.c.mode == "ExclusiveLock")
    asked = select(activity.c.application_name, is_alone).join_from(activity, held, activity.c.pid == held.c.pid)
    asked = asked.where(held.c.pid != func.pg_backend_pid())
    rows = connection.execute(asked.group_by(activity.c.pid, activity.c.application_name).order_by(activity.c.pid))
    return [Holder(name or "a process of another user", bool(alone)) for name, alone in rows]


def busy(where: str, holders: Sequence[Holder]) -> LibraryError:
    """The error of one who cannot have the lock."""
    names = "; ".join(holder.name for holder in holders) or "which has just ended"
    if not holders or any(holder.is_alone for holder in holders):
        return LibraryError(
            f"{where}: another avsearch writes to this library ({names}).", hint="Wait until it is done."
        )
    who = "an indexer is" if len(holders) == 1 else f"{len(holders)} indexers are"
    return LibraryError(
        f"{where}: {who} at work on this library ({names}).",
        hint="Wait until that is done, or stop it with Ctrl-C: this command needs the library for itself.",
    )


def _held(key: int) -> Subquery:
    return text(_HELD).bindparams(key=key).columns(pid=Integer(), mode=String()).subquery()
