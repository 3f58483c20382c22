"""Objects that are media: listed, and copied to this machine block by block."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from avsearch.errors import MediaError, StorageError
from avsearch.remote.addresses import address, base_and_key
from avsearch.remote.store import RemoteStore

BLOCK_BYTES = 8 << 20  # asked for at once; a connection that is cut costs one of them
_ETAGS = ("ETag", "etag", "md5Hash", "content_md5")
_TIMES = ("LastModified", "last_modified", "mtime", "updated", "modified", "created")


@dataclass(frozen=True)
class Version:
    """What tells whether an object is the same as before.

    Attributes:
        size_bytes: of it.
        mtime_ns: when it was last written, in nanoseconds since 1970; 0 where the store does not say.
        etag: the store's own mark of its content; None where it has none.
    """

    size_bytes: int
    mtime_ns: int
    etag: str | None = None

    def is_same(self, other: Version) -> bool:
        """By size and mark; by size and time where one of them has no mark."""
        has_marks = self.etag is not None and other.etag is not None
        is_marked_alike = self.etag == other.etag if has_marks else self.mtime_ns == other.mtime_ns
        return is_marked_alike and self.size_bytes == other.size_bytes


def list_objects(folder: Path) -> dict[str, Version]:
    """What lies at a place and below it, by what stands behind its URL; "" for an object at the place itself.

    Raises:
        StorageError: the store does not answer, or refuses.
    """
    store, top = _place(folder)
    try:
        found: Mapping[str, Any] = store.call(lambda: store.files.find(top, detail=True))
    except FileNotFoundError:
        return {}
    files = {str(name): info for name, info in found.items() if info.get("type") == "file"}
    below = {
        name[len(top) + 1 :]: _sized(store, name, info)
        for name, info in sorted(files.items())
        if name == top or name.startswith(f"{top}/")
    }
    return {key: version for key, version in below.items() if not key.endswith("/")}


def version_of(path: Path) -> Version | None:
    """An object as it is now; None where there is none.

    Raises:
        StorageError: the store does not answer, or refuses.
    """
    store, name = _place(path)
    try:
        info = store.call(lambda: store.files.info(name))
    except FileNotFoundError:
        return None
    return _version(info) if info.get("type") == "file" else None


def is_there(folder: Path) -> bool:
    """Whether a place answers and holds anything."""
    try:
        store, top = _place(folder)
        return bool(store.call(lambda: store.files.exists(top)))
    except (StorageError, FileNotFoundError):
        return False


def fetch(path: Path, version: Version, into: BinaryIO, still: Callable[[], None]) -> None:
    """Copy an object, block by block, each of which is asked for again where it does not come whole.

    Args:
        path: the object.
        version: what it is to be.
        into: written to from where it stands.
        still: called before each block; what it raises ends the copying.

    Raises:
        MediaError: it is another one than expected, or became another one meanwhile.
        StorageError: it is gone, or the store does not answer, or refuses.
    """
    store, name = _place(path)
    try:
        for start in range(0, version.size_bytes, BLOCK_BYTES):
            still()
            end = min(start + BLOCK_BYTES, version.size_bytes)
            into.write(store.call(_Block(store, name, start, end)))
    except FileNotFoundError as error:
        raise _gone(path) from error
    except StorageError:
        with suppress(StorageError):
            _require_same(path, version)
        raise
    _require_same(path, version)


@dataclass(frozen=True)
class _Block:
    """A part of an object, whole."""

    store: RemoteStore
    name: str
    start: int
    end: int

    def __call__(self) -> bytes:
        data: bytes = self.store.files.cat_file(self.name, start=self.start, end=self.end)
        if len(data) != self.end - self.start:
            raise ConnectionError(f"{len(data)} bytes came, where {self.end - self.start} were asked for")
        return data


def _require_same(path: Path, version: Version) -> None:
    now = version_of(path)
    if now is None:
        raise _gone(path)
    if not now.is_same(version):
        raise MediaError(
            f"{address(path)}: it changed while it was read.", hint="Index it again when it is complete."
        )


def _gone(path: Path) -> StorageError:
    return StorageError(f"{address(path)}: is not there any more.", hint="Index its folder again.")


def _place(path: Path) -> tuple[RemoteStore, str]:
    """The store, and the path in it; a key may hold what a URL may not."""
    base, key = base_and_key(path)
    store = RemoteStore(base)
    root = store.call(lambda: store.root)  # a missing package is told as anything else that is wrong
    return store, f"{root}/{key}" if key else root


def _sized(store: RemoteStore, name: str, info: Mapping[str, Any]) -> Version:
    """As listed; a store whose listings say no size is asked for each object."""
    if info.get("size") is None:
        info = store.call(lambda: store.files.info(name))
    return _version(info)


def _version(info: Mapping[str, Any]) -> Version:
    etag = next((str(info[name]) for name in _ETAGS if info.get(name)), None)
    written = next((info[name] for name in _TIMES if info.get(name)), 0)
    return Version(int(info.get("size") or 0), _ns(written), etag)


def _ns(written: object) -> int:
    """A point in time as the backends of fsspec tell it."""
    if isinstance(written, str):
        try:
            written = datetime.fromisoformat(written)
        except ValueError:
            return 0
    if isinstance(written, datetime):
        since = (written if written.tzinfo else written.replace(tzinfo=UTC)) - datetime(1970, 1, 1, tzinfo=UTC)
        return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1_000
    return round(written * 1e6) * 1_000 if isinstance(written, int | float) else 0
