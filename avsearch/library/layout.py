"""What lies where in a library's directory, and library.json, which says so."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from avsearch.catalog import Database, find_database
from avsearch.errors import LibraryError
from avsearch.remote import check_url, is_url
from avsearch.vectors import LocalShelf, RemoteShelf, Shelf, write_durably

FORMAT_VERSION = 1
CONFIG_NAME = "library.json"
CATALOG_NAME = "catalog.sqlite3"
LOCK_NAME = "writer.lock"
SEGMENTS_NAME = "segments"
ENCODERS_NAME = "encoders"
ANN_NAME = "ann"
MILVUS_NAME = "milvus"
CATALOG_URL = f"sqlite:///{CATALOG_NAME}"

_CREATE_HINT = "Make one with `avsearch index FOLDER --model FILE`, or name another with --library."
_RESTORE_HINT = "Restore it from a backup."


@dataclass(frozen=True)
class Config:
    """What library.json holds; relative places are relative to it.

    Attributes:
        library_id: stands in the catalog too, so that no library takes another's catalog for its own.
        database_url: never with a password.
        segments: the folder of segments, or the URL of a place in a store; never with credentials.
    """

    library_id: str
    database_url: str = CATALOG_URL
    segments: str = SEGMENTS_NAME

    def __post_init__(self) -> None:
        if not all(isinstance(value, str) and value for value in asdict(self).values()):
            raise ValueError("its values are not texts")


@dataclass(frozen=True)
class Layout:
    """The places of one library."""

    directory: Path
    config: Config

    @property
    def database(self) -> Database:
        return find_database(self.config.database_url, self.directory)

    @cached_property
    def shelf(self) -> Shelf:
        """Where the segments lie."""
        place = self.config.segments
        if is_url(place):
            return RemoteShelf(check_url(place), self.config.library_id)
        return LocalShelf(self.directory / place)

    @property
    def encoders(self) -> Path:
        return self.directory / ENCODERS_NAME

    @property
    def ann(self) -> Path:
        """Indexes for approximate search, derived from segments; perhaps not there."""
        return self.directory / ANN_NAME

    @property
    def milvus(self) -> Path:
        """What is known of a copy in Milvus; perhaps not there."""
        return self.directory / MILVUS_NAME

    def encoder_path(self, fingerprint: str) -> Path:
        return self.encoders / f"{fingerprint}.safetensors"


def read_layout(directory: Path) -> Layout:
    """Read library.json.

    Raises:
        LibraryError: there is none, it is damaged, or a newer avsearch wrote it.
    """
    path = directory / CONFIG_NAME
    try:
        fields = json.loads(path.read_bytes())
        version = fields.pop("format_version")
        if version > FORMAT_VERSION:
            raise LibraryError(f"{directory}: a newer avsearch made this library.", hint="Upgrade avsearch.")
        return Layout(directory.absolute(), Config(**fields))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise LibraryError(f"{directory}: there is no library here.", hint=_CREATE_HINT) from error
    except OSError as error:
        raise LibraryError(f"{path}: cannot be read ({error.strerror}).", hint="Check its permissions.") from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise LibraryError(f"{path}: is damaged.", hint=_RESTORE_HINT) from error


def write_layout(layout: Layout) -> None:
    """Write library.json, whole or not at all.

    Raises:
        LibraryError: it cannot be written.
    """
    fields = {"format_version": FORMAT_VERSION, **asdict(layout.config)}
    write_durably(layout.directory / CONFIG_NAME, [json.dumps(fields, indent=2).encode() + b"\n"])


def made_folder(path: Path, *, parents: bool = False) -> Path:
    """The folder, which is made where it is not there; with the folders around it if that is wished.

    Raises:
        LibraryError: it cannot be made.
    """
    try:
        path.mkdir(parents=parents, exist_ok=True)
    except OSError as error:
        raise LibraryError(
            f"{path}: cannot be made ({error.strerror}).", hint="Check free space and permissions."
        ) from error
    return path
