"""Where the segments of a library lie: one narrow seam, behind which is a folder or a store of objects."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from avsearch.errors import LibraryError
from avsearch.moments import Modality
from avsearch.vectors.durable import ASIDE_SUFFIX, write_durably
from avsearch.vectors.segments import SUFFIX, Rows, SegmentFile, encode_segment, map_segment


class Shelf(Protocol):
    """Segments by name; each is written once, and never changed until it is deleted."""

    @property
    def place(self) -> str:
        """Where it is, for people."""

    @property
    def folder(self) -> Path | None:
        """The folder that the segments lie in; None where they are in no folder of this machine."""

    def address(self, name: str) -> str:
        """Where a segment is, for people."""

    def take(self) -> None:
        """Begin to use the place for a new library.

        Raises:
            StorageError: it cannot be reached, or something lies there.
        """

    def require(self) -> None:
        """Make sure that the place is there, so that what is missing in it is really missing.

        Raises:
            LibraryError: it is not.
        """

    def write(self, name: str, data: bytes) -> None:
        """Put a new segment there; once this returns, it is whole and stays.

        Raises:
            LibraryError: it cannot be written; at most a leftover of it is there.
        """

    def gather(self, files: Iterable[SegmentFile]) -> None:
        """Bring near what is about to be mapped, several at once.

        Raises:
            LibraryError: as `map`.
        """

    def map(self, expected: SegmentFile) -> Rows:
        """The rows of a segment, mapped where it is not small, after its checksum was found right.

        Raises:
            LibraryError: it is missing, or is not what the catalog says, to the last bit.
            StorageError: it cannot be told whether it is.
        """

    def reread(self, expected: SegmentFile) -> Rows:
        """The rows of a segment as it lies there now, whatever is known of it already.

        Raises:
            LibraryError, StorageError: as `map`.
        """

    def names(self) -> list[str]:
        """What lies there, unfinished files of a killed writer too.

        Raises:
            StorageError: the place cannot be reached, or holds the segments of another library.
        """

    def delete(self, name: str) -> None:
        """Remove a segment, if it is there; rows that are mapped stay readable.

        Raises:
            LibraryError: it cannot be removed.
        """


class LocalShelf:
    """A folder: files are written aside, synced and renamed, and mapped where they are."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def place(self) -> str:
        return str(self._folder)

    @property
    def folder(self) -> Path:
        return self._folder

    def address(self, name: str) -> str:
        return str(self._folder / name)

    def take(self) -> None:
        """The library's directory is its own, and so is this."""

    def require(self) -> None:
        if not self._folder.is_dir():
            raise LibraryError(
                f"{self._folder}: the folder of segments is not there.",
                hint="Mount its disk, and run the same command again; if it is lost, make an empty one.",
            )

    def write(self, name: str, data: bytes) -> None:
        write_durably(self._folder / name, [data])

    def gather(self, files: Iterable[SegmentFile]) -> None:
        """Nothing is far away."""

    def map(self, expected: SegmentFile) -> Rows:
        return map_segment(self._folder / expected.name, expected)

    def reread(self, expected: SegmentFile) -> Rows:
        return self.map(expected)

    def names(self) -> list[str]:
        suffixes = (SUFFIX, SUFFIX + ASIDE_SUFFIX)
        return sorted(path.name for suffix in suffixes for path in self._folder.glob(f"*{suffix}"))

    def delete(self, name: str) -> None:
        (self._folder / name).unlink(missing_ok=True)


def write_segment(shelf: Shelf, rows: Rows, *, modality: Modality, fingerprint: str) -> SegmentFile:
    """Put rows on a shelf as a segment of a new name; the arguments are those of `encode_segment`.

    Raises:
        LibraryError: the vectors are not finite unit rows, or it cannot be written.
    """
    written, data = encode_segment(rows, modality=modality, fingerprint=fingerprint)
    shelf.write(written.name, data)
    return written
