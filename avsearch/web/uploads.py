"""Files that clients ask with: kept in a folder of this server for a while, bounded in number and in bytes."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from avsearch.errors import MediaError
from avsearch.moments import MediaInfo
from avsearch.web.bodies import too_large
from avsearch.web.refusals import Refused, busy
from avsearch.web.settings import Limits
from avsearch.web.upload_media import admitted, suffix_of

_AGAIN = "Upload it again."
_FULL = "The server has no room for uploads."


@dataclass(eq=False)
class Upload:
    """A file that can be asked with.

    Attributes:
        id: cannot be guessed.
        name: what its sender calls it; only ever shown.
        path: where it lies.
        info: what `probe` said of it, of the sides that can be decoded.
        size_bytes: its size.
        last_used: on the monotonic clock.
        num_users: requests that read it now; it stays until they are done.
    """

    id: str
    name: str
    path: Path
    info: MediaInfo
    size_bytes: int
    last_used: float = field(default_factory=time.monotonic)
    num_users: int = 0


@dataclass(eq=False)
class Receiving:
    """An upload that is coming in."""

    path: Path
    file: BinaryIO
    most_bytes: int
    make_room: Callable[[], None]
    size_bytes: int = 0

    def write(self, data: bytes) -> None:
        """Add what has come.

        Raises:
            Refused: it is more than is allowed, or the disk is full.
        """
        self.size_bytes += len(data)
        if self.size_bytes > self.most_bytes:
            raise too_large(self.most_bytes)
        self.make_room()
        try:
            self.file.write(data)
        except OSError:
            raise busy(_FULL) from None


class Uploads:
    """All uploads of a server; everything may be called from any thread."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._kept: dict[str, Upload] = {}
        self._receiving: set[Receiving] = set()
        self._folder = Path(tempfile.mkdtemp(prefix="avsearch-serve-"))

    @property
    def num_kept(self) -> int:
        return len(self._kept)

    @property
    def num_bytes(self) -> int:
        """Of those that are kept and those that come in."""
        kept = sum(it.size_bytes for it in list(self._kept.values()))
        return kept + sum(it.size_bytes for it in list(self._receiving))

    def expires_in_s(self, upload: Upload) -> float:
        """How long it stays if nobody asks with it."""
        return max(self._limits.upload_ttl_s - (time.monotonic() - upload.last_used), 0.0)

    @contextmanager
    def receive(self) -> Iterator[Receiving]:
        """A place for an upload; what is left of it goes at the end unless it was kept.

        Raises:
            Refused: too many come in already, or the disk refuses.
        """
        with self._lock:
            if len(self._receiving) >= self._limits.num_receiving:
                raise busy("Too many uploads come in at the same time.")
            path = self._folder / secrets.token_urlsafe(16)
            try:
                receiving = Receiving(path, path.open("xb"), self._limits.upload_bytes, self._make_room)
            except OSError:
                raise busy(_FULL) from None
            self._receiving.add(receiving)
        try:
            yield receiving
        finally:
            with self._lock:
                self._receiving.discard(receiving)
            with suppress(OSError):
                receiving.file.close()
            path.unlink(missing_ok=True)

    def keep(self, receiving: Receiving, name: str) -> Upload:
        """Look at an upload that has come whole, decode a little of it, and keep it.

        Raises:
            Refused: it cannot be used, or there is no room.
        """
        try:
            receiving.file.flush()
        except OSError:
            raise busy(_FULL) from None
        upload_id = secrets.token_urlsafe(16)
        path = self._folder / f"{upload_id}{suffix_of(receiving.path, name)}"
        os.link(receiving.path, path)
        try:
            upload = Upload(upload_id, name, path, admitted(path), receiving.size_bytes)
            self._add(upload, receiving)
        except MediaError as error:
            path.unlink(missing_ok=True)
            raise Refused(422, told(error.message, path, name), hint=error.hint) from error
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return upload

    @contextmanager
    def use(self, upload_id: str) -> Iterator[Upload]:
        """An upload, which stays for as long as the block lasts, and from then on as long again as at first.

        Raises:
            Refused: there is none with that id, or none any more.
        """
        with self._lock:
            upload = self._kept.get(upload_id)
            if upload is None:
                raise Refused(404, f"There is no upload {upload_id}, or no longer.", hint=_AGAIN)
            upload.num_users += 1
            upload.last_used = time.monotonic()
        try:
            yield upload
        finally:
            with self._lock:
                upload.num_users -= 1
                upload.last_used = time.monotonic()

    def remove(self, upload_id: str) -> None:
        """Delete an upload; requests that read it end as they would have.

        Raises:
            Refused: there is none with that id.
        """
        with self.use(upload_id) as upload, self._lock:
            self._drop(upload)

    def sweep(self) -> None:
        """Delete what was not asked with for too long."""
        with self._lock:
            for upload in list(self._kept.values()):
                if not upload.num_users and not self.expires_in_s(upload):
                    self._drop(upload)

    def close(self) -> None:
        """Delete all of them, and their folder."""
        with self._lock:
            self._kept.clear()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _add(self, upload: Upload, receiving: Receiving) -> None:
        with self._lock:
            self._receiving.discard(receiving)
            self._kept[upload.id] = upload
            upload.num_users += 1
        try:
            self._make_room()
        except Refused:
            with self._lock:
                self._drop(upload)
            raise
        finally:
            upload.num_users -= 1

    def _make_room(self) -> None:
        """Delete what was not used for longest, until all fit.

        Raises:
            Refused: they do not fit, since requests use all that are left.
        """
        with self._lock:
            unused = [it for it in self._kept.values() if not it.num_users]
            for other in sorted(unused, key=lambda it: it.last_used):
                if self._fits():
                    return
                self._drop(other)
            if not self._fits():
                raise busy(_FULL)

    def _fits(self) -> bool:
        return self.num_bytes <= self._limits.uploads_bytes and len(self._kept) <= self._limits.num_uploads

    def _drop(self, upload: Upload) -> None:
        self._kept.pop(upload.id, None)
        upload.path.unlink(missing_ok=True)


def shown_name(header: str) -> str:
    """The name that a client gives, without folders and what cannot be shown; `upload` where there is none."""
    name = "".join(letter for letter in header.replace("\\", "/").rpartition("/")[2] if letter.isprintable())
    return name.strip()[-200:] or "upload"


def told(message: str, path: Path, name: str) -> str:
    """A message about an upload by its name, not by where it lies here."""
    return message.replace(str(path), name)
