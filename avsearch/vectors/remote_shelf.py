"""Segments in a store of objects, and copies of them on this machine, over which searches go."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cached_property

import numpy as np

from avsearch.errors import LibraryError, StorageError
from avsearch.remote import Copies, RemoteStore, default_copies
from avsearch.vectors.segments import Rows, SegmentFile, check_segment, map_segment, unreadable

OWNER_NAME = "avsearch-library.json"  # the object that says whose segments these are
_NUM_FETCHED_AT_ONCE = 8
_OWN_NAME = re.compile(r"[0-9a-f]{32}\.safetensors")  # a name becomes a path here, so no other is taken
_ADDRESS_HINT = "Check `segments` in library.json, the credentials and, for S3, AWS_ENDPOINT_URL."


class RemoteShelf:
    """Objects below a URL: each is uploaded, read back and compared before it counts, copied before it is mapped.

    One object says which library they belong to. Without it nothing is taken for missing or left over: the address,
    or the account, is another than it was.
    """

    def __init__(self, url: str, library_id: str, copies: Copies | None = None) -> None:
        self._store = RemoteStore(url)
        self._library_id = library_id
        self._given_copies = copies

    def __reduce__(self) -> tuple[type[RemoteShelf], tuple[str, str]]:
        """To another machine it goes without what it knows of this one."""
        return RemoteShelf, (self._store.url, self._library_id)

    @property
    def place(self) -> str:
        return self._store.url

    @property
    def folder(self) -> None:
        return None

    def address(self, name: str) -> str:
        return self._store.address(name)

    def take(self) -> None:
        """An owner without segments, as a creation that was cut off leaves it, loses nothing and is followed."""
        if strangers := [name for name in self._store.names() if name != OWNER_NAME]:
            raise StorageError(
                f"{self.place}: something lies there already, as {strangers[0]}.", hint="Name an empty place."
            )
        data = json.dumps({"library_id": self._library_id}).encode() + b"\n"
        self._store.write(OWNER_NAME, data)
        self.require()

    def require(self) -> None:
        data = self._store.read(OWNER_NAME)
        if data is None:
            raise StorageError(f"{self.place}: the segments of this library are not there.", hint=_ADDRESS_HINT)
        if self._library_id.encode() not in data:
            raise StorageError(f"{self.place}: belongs to another library.", hint=_ADDRESS_HINT)

    def write(self, name: str, data: bytes) -> None:
        self._store.write(name, data)
        if self._store.read(name) != data:
            raise StorageError(
                f"{self.address(name)}: did not come back as it was uploaded.", hint="Run the same command again."
            )
        with suppress(LibraryError):  # a full cache is no reason not to index
            self._copies.keep(name, data)

    def gather(self, files: Iterable[SegmentFile]) -> None:
        far = [file for file in files if self._copies.find(file.name) is None]
        if len(far) > 1 and sum(file.num_bytes for file in far) <= self._copies.most_bytes:
            with ThreadPoolExecutor(_NUM_FETCHED_AT_ONCE, "fetch") as pool:
                list(pool.map(self._fetch, far))

    def map(self, expected: SegmentFile) -> Rows:
        """A copy that is damaged, or that another process has just removed, is fetched again once."""
        path = self._copies.find(expected.name)
        if path is not None:
            try:
                return map_segment(path, expected)
            except LibraryError:
                self._copies.drop(expected.name)
        self._fetch(expected)
        return map_segment(self._copies.folder / expected.name, expected)

    def reread(self, expected: SegmentFile) -> Rows:
        return self._checked(self._read(expected), expected)

    def names(self) -> list[str]:
        self.require()
        return [name for name in self._store.names() if _OWN_NAME.fullmatch(name)]

    def delete(self, name: str) -> None:
        self._store.delete(name)
        self._copies.drop(name)

    @cached_property
    def _copies(self) -> Copies:
        return self._given_copies or default_copies()

    def _fetch(self, expected: SegmentFile) -> None:
        """Make a copy of what is whole."""
        data = self._read(expected)
        self._checked(data, expected)
        self._copies.keep(expected.name, data)

    def _read(self, expected: SegmentFile) -> bytes:
        if not _OWN_NAME.fullmatch(expected.name):
            raise unreadable(self.address(expected.name), "that is no name of a segment")
        data = self._store.read(expected.name)
        if data is None:
            self.require()
            raise unreadable(self.address(expected.name), "it is not there")
        return data

    def _checked(self, data: bytes, expected: SegmentFile) -> Rows:
        return check_segment(np.frombuffer(data, np.uint8), expected, address=self.address(expected.name))
