"""The one family of errors that reach people; each says what happened and what to do next.

    AvsearchError
    ├── UsageError       the command was asked for something it cannot mean (exit code 2)
    ├── MediaError       a file cannot be read
    ├── ManifestError    a manifest cannot be used
    ├── WeightsError     a weights file cannot be used
    ├── TrainingError    a training run cannot start or go on
    ├── ClusterError     a cluster cannot be reached, is lost, or cannot do what it is asked
    └── LibraryError     a library cannot be opened, read or written
        ├── StorageError a store of segments or footage cannot be reached, which says nothing about them
        └── EngineError  the Milvus server that holds a copy of its vectors does not answer, or refuses

`ValueError` and `assert` are for programmers. A bad file among many is a value, `moments.Failed`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar


class AvsearchError(Exception):
    """Something a person can act on.

    Args:
        message: one sentence that says what happened, naming the file or the thing concerned.
        hint: one sentence that says what to do.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class UsageError(AvsearchError):
    """The command line asks for something it cannot mean."""

    exit_code = 2


class MediaError(AvsearchError):
    """A media file cannot be opened or decoded."""


class ManifestError(AvsearchError):
    """A manifest is missing, malformed or does not fit the files."""


class WeightsError(AvsearchError):
    """A weights file is missing, damaged or of another architecture."""


class TrainingError(AvsearchError):
    """Training cannot start or go on."""


class ClusterError(AvsearchError):
    """A Ray cluster cannot be reached, is lost, or one of its nodes lacks what its work needs."""


class LibraryError(AvsearchError):
    """A library is missing, busy, damaged or made by something else."""


class StorageError(LibraryError):
    """A store of objects does not answer, or refuses; what lies there is neither lost nor damaged by that."""


class EngineError(LibraryError):
    """A Milvus server does not answer, or refuses; it holds only copies, so that nothing is lost by that."""


E = TypeVar("E", bound=AvsearchError)


def words_of(error: Exception, attribute: str) -> str:
    """What an error says, on one line and without a full stop; its kind where it says nothing.

    Args:
        error: of another's package.
        attribute: that has it without what stands around it in `str`.
    """
    text = getattr(error, attribute, None) or str(error)
    return " ".join(str(text).split()).rstrip(".") or type(error).__name__


def unwritable(kind: type[E], path: Path, reason: str | None) -> E:
    """The error of a file or folder that cannot be written.

    Args:
        kind: of error.
        path: what is not there now.
        reason: the system's.
    """
    return kind(f"{path}: cannot be written ({reason}).", hint="Check free space and permissions.")
