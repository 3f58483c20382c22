"""The steps in which avsearch changes the disk and the database, and an end in the middle of them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy.event
from sqlalchemy import Engine

from avsearch.catalog import claims, indexing
from indexer import build, ledger, remaking

CALLS = ("fsync", "mkdir", "replace", "unlink")
NEVER_S = 1e6
CHANGES = ("INSERT", "UPDATE", "DELETE")


@dataclass(frozen=True)
class Settings:
    """How a run differs from a user's.

    Attributes:
        commit_every_s: seconds between two commits; None leaves it as it is.
        hold: after the first commit the run waits until this file is there.
        die_at: the step before which the process kills itself, counted from 0; None lets it live.
        journal: a file that gets a line for each step.
        lease_s: seconds after which others take over from a run that does not say that it is still there.
        is_silent: whether it never says so, but when it claims files.
        reconnect_after_s: the pauses after which a lost connection to the database is made again.
    """

    commit_every_s: float | None = None
    hold: str | None = None
    die_at: int | None = None
    journal: str | None = None
    lease_s: float | None = None
    is_silent: bool = False
    reconnect_after_s: tuple[float, ...] | None = None


def settle(settings: Settings) -> None:
    """Make this process one that differs in that way."""
    if settings.commit_every_s is not None:
        for module in (ledger, remaking):
            module.COMMIT_EVERY_S = settings.commit_every_s
    if settings.lease_s is not None:
        claims.LEASE_S = settings.lease_s
        indexing.HEARTBEAT_S = NEVER_S if settings.is_silent else settings.lease_s / 6
    if settings.reconnect_after_s is not None:
        build.RECONNECT_AFTER_S = settings.reconnect_after_s
    if settings.hold is not None:
        _hold(Path(settings.hold))
    if settings.die_at is not None or settings.journal is not None:
        _Steps(settings).watch()


def _hold(released: Path) -> None:
    genuine = ledger.Ledger.commit

    def commit(self: ledger.Ledger) -> None:
        ledger.Ledger.commit = genuine
        genuine(self)
        while not released.exists():
            time.sleep(0.02)

    ledger.Ledger.commit = commit


class _Steps:
    """Counts them; one lies before each change of the disk, of the rows of a table, and before their commit."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._num_taken = 0
        self._is_changing = False

    def watch(self) -> None:
        for name in CALLS:
            self._watch_call(name, getattr(os, name))
        sqlalchemy.event.listen(Engine, "before_cursor_execute", self._before_statement)
        sqlalchemy.event.listen(Engine, "commit", self._before_commit)

    def _watch_call(self, name: str, genuine: Callable) -> None:
        def call(*arguments, **named):
            self._take(f"{name} {arguments}")
            return genuine(*arguments, **named)

        setattr(os, name, call)

    def _before_statement(self, _connection, _cursor, statement: str, *_rest) -> None:
        if statement.startswith(CHANGES):
            self._is_changing = True
            self._take(" ".join(statement.split()[:3]))

    def _before_commit(self, _connection) -> None:
        if self._is_changing:
            self._take("COMMIT")
        self._is_changing = False

    def _take(self, what: str) -> None:
        if self._settings.journal is not None:
            with open(self._settings.journal, "a") as journal:  # noqa: PTH123  (it must call nothing that is watched)
                journal.write(f"{what}\n")
        if self._num_taken == self._settings.die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        self._num_taken += 1
