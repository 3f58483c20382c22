"""WebDataset shards: tar files whose members are clips (`key.mp4`, beside `key.json` and the like).

A member is named and copied by us: nothing of its name, owner or links gets to the file system. Its bytes are
copied to a file in the cache for as long as it is decoded, one member at a time for each thread.
"""

from __future__ import annotations

import os
import tarfile
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import xxhash

from avsearch.errors import MediaError
from avsearch.media import VIDEO_EXTENSIONS
from avsearch.media.safety import open_file
from avsearch.moments import Failed

EXTENSION = ".tar"
_BLOCK_BYTES = 1 << 20
_COPY_PREFIX = "member-"
_STALE_S = 24 * 3600
_BROKEN = (tarfile.TarError, OSError, EOFError, ValueError, RecursionError, MediaError)
"""What headers raise that are damaged, or made to do harm."""


@dataclass(frozen=True, slots=True)
class TarMember:
    """One video in a shard: `size` bytes from byte `at` on."""

    tar: Path
    name: str
    at: int
    size: int

    @property
    def path(self) -> Path:
        """`shard.tar/member`, to be shown; also where the member's own name is absolute."""
        return Path(f"{self.tar}/{self.name}")


def tar_files(paths: Sequence[Path]) -> list[Path]:
    """The tar files named, and those below the folders named; hidden ones are left out."""
    found: dict[Path, None] = {}
    for path in paths:
        below = sorted(path.rglob(f"*{EXTENSION}")) if path.is_dir() else [path]
        for tar in below:
            inside = tar.relative_to(path).parts if path.is_dir() else ()
            if is_tar(tar) and not any(part.startswith(".") for part in inside):
                found[tar.absolute()] = None
    return list(found)


def is_tar(path: Path) -> bool:
    """Whether a path names a shard; a folder may be called so too, and is none."""
    return path.suffix.lower() == EXTENSION and path.is_file()


def members(tar: Path) -> tuple[list[TarMember], list[Failed]]:
    """The videos in a shard, in its order, and what cannot be used; no member is read."""
    found: list[TarMember] = []
    failures: list[Failed] = []
    try:
        for info in _headers(tar):
            member = TarMember(tar, info.name, info.offset_data, info.size)
            if os.path.splitext(info.name)[1].lower() not in VIDEO_EXTENSIONS or info.isdir():  # noqa: PTH122
                continue
            if info.isreg() and not info.issparse():
                found.append(member)
            else:
                failures.append(Failed(member.path, "is not a regular file."))
    except _BROKEN as error:
        failures.append(Failed(tar, f"cannot be read to its end as a tar file ({_reason(error)})."))
    if not found and not failures:
        failures.append(Failed(tar, "holds no videos."))
    return found, failures


def member_hash(member: TarMember) -> str:
    """xxh3-128 of a member's bytes, as of a file with the same content.

    Raises:
        MediaError: they are not all there, or cannot be read.
    """
    digest = xxhash.xxh3_128()
    for block in _blocks(member):
        digest.update(block)
    return digest.hexdigest()


@contextmanager
def copied(member: TarMember, directory: Path) -> Iterator[Path]:
    """A copy of a member that is deleted afterwards.

    Raises:
        MediaError: its bytes are not all there, or cannot be read.
        OSError: the copy cannot be written.
    """
    extension = Path(member.name).suffix.lower()  # one of VIDEO_EXTENSIONS
    descriptor, name = tempfile.mkstemp(extension, _COPY_PREFIX, directory)
    try:
        with os.fdopen(descriptor, "wb") as file:
            for block in _blocks(member):
                file.write(block)
        yield Path(name)
    except MediaError as error:
        raise MediaError(error.message.replace(name, str(member.path)), hint=error.hint) from error
    finally:
        Path(name).unlink(missing_ok=True)


def sweep_copies(directory: Path) -> None:
    """Delete the copies that a killed run left more than a day ago."""
    for path in directory.glob(f"{_COPY_PREFIX}*"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > _STALE_S:
                path.unlink()


class _ShortReads:
    """A file for `tarfile`, which would read a header into memory as long as that header itself claims to be."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _BLOCK_BYTES:
            raise tarfile.ReadError("a header claims to be longer than 1 MiB")
        return self._file.read(size)


def _headers(tar: Path) -> Iterator[tarfile.TarInfo]:
    """Every member's header; each must lie behind the one before, so that this ends."""
    with open_file(tar) as file:
        length = os.fstat(file.fileno()).st_size
        archive = tarfile.TarFile(fileobj=_ShortReads(file))  # type: ignore[arg-type]  # read, seek and tell do
        last = -1
        while (info := archive.next()) is not None:
            if info.offset_data <= last or info.size < 0 or info.offset_data + info.size > length:
                raise tarfile.ReadError("a member claims to lie outside the file")
            last = info.offset_data
            archive.members.clear()  # type: ignore[attr-defined]  # it would keep them all
            yield info


def _blocks(member: TarMember) -> Iterator[bytes]:
    short = MediaError(f"{member.path}: its bytes are not all there.", hint="Copy the tar file again.")
    left = member.size
    try:
        with open_file(member.tar) as file:
            file.seek(member.at)
            while left:
                block = file.read(min(left, _BLOCK_BYTES))
                if not block:
                    raise short
                left -= len(block)
                yield block
    except OSError as error:
        raise MediaError(f"{member.path}: cannot be read ({error.strerror}).") from error


def _reason(error: BaseException) -> str:
    return (error.strerror if isinstance(error, OSError) else str(error)) or type(error).__name__
