"""Objects behind a URL, by fsspec: S3, and whatever else it reaches; imported here alone, and late."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, TypeVar
from urllib.parse import urlsplit

from avsearch.errors import StorageError
from avsearch.patience import patiently
from avsearch.remote.failures import may_pass, refusal

WAITS_S = (0.5, 1.0, 2.0, 4.0)  # before a call is tried again, each time longer
PATIENCE_S = 60.0  # after which it is not tried again, however few the tries were
ANSWER_S = 60.0  # within which what was written is answered, beside the time that its bytes need
SLOWEST_BYTES_PER_S = 64 << 10
LARGEST_PUT_BYTES = 5 << 30  # up to this, S3 takes an object in one request, which leaves it whole or absent
_URL_HINT = "Give it as s3://BUCKET/FOLDER, or as another address that fsspec knows."
_CREDENTIALS_HINT = "Leave them out: they are taken from the environment, as AWS_PROFILE or AWS_ACCESS_KEY_ID."

T = TypeVar("T")


def is_url(place: str) -> bool:
    """Whether it is a URL, and no path."""
    return "://" in place


def check_url(url: str) -> str:
    """The URL as it may be written down.

    Raises:
        StorageError: it names no place, or it holds credentials.
    """
    try:
        parts = urlsplit(url)
        has_secret = parts.password is not None or bool(parts.query)
    except ValueError:
        parts, has_secret = urlsplit(""), False
    if has_secret:
        raise StorageError("The address of a store must not hold credentials.", hint=_CREDENTIALS_HINT)
    if not (parts.scheme and (parts.netloc or parts.path.strip("/"))) or "::" in url or parts.fragment:
        raise StorageError(f"{url}: is not the address of a store.", hint=_URL_HINT)
    return url.rstrip("/")


class RemoteStore:
    """The objects directly below a URL, by name.

    A call that fails is tried again for some seconds, unless trying again cannot help. All of them raise
    StorageError: the store does not answer, refuses, or there is no such bucket or folder.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    def address(self, name: str) -> str:
        """An object as people write it."""
        return f"{self.url}/{name}"

    def write(self, name: str, data: bytes) -> None:
        """Put an object there, in one request where the store takes it so; one of that name is replaced."""
        try:
            self.call(lambda: self._put(self._path(name), data))
        except FileNotFoundError as error:
            raise StorageError(
                f"{self.url}: there is no such bucket or folder.", hint="Make it, or name another one."
            ) from error

    def _put(self, path: str, data: bytes) -> None:
        """Write once, within a time: clients of S3 wait without end for one that falls silent over an upload."""
        if not self.files.async_impl:
            self.files.pipe_file(path, data)
            return
        from fsspec.asyn import sync  # noqa: PLC0415  (as below)

        most_s = ANSWER_S + len(data) / SLOWEST_BYTES_PER_S
        sync(self.files.loop, self.files._pipe_file, path, data, timeout=most_s, **self._whole)

    def read(self, name: str) -> bytes | None:
        """All bytes of an object; None where there is none."""
        try:
            data: bytes = self.call(lambda: self.files.cat_file(self._path(name)))
        except FileNotFoundError:
            return None
        return data

    def names(self) -> list[str]:
        """What lies there, ascending; folders too."""
        try:
            paths = self.call(lambda: self.files.ls(self.root, detail=False))
        except FileNotFoundError:
            return []
        names = {str(path).rstrip("/").rpartition("/")[2] for path in paths if str(path).rstrip("/") != self.root}
        return sorted(names)

    def delete(self, name: str) -> None:
        """Remove an object, if it is there."""
        try:
            self.call(lambda: self.files.rm_file(self._path(name)))
        except FileNotFoundError:
            return

    @cached_property
    def _found(self) -> tuple[Any, str]:
        """The file system of fsspec, and the path in it; nothing is asked of the store yet."""
        from fsspec.core import url_to_fs  # noqa: PLC0415  (an extra, and seldom needed)

        files, root = url_to_fs(self.url, **_options(self.url))
        return files, str(root).rstrip("/")

    @property
    def files(self) -> Any:  # noqa: ANN401  (fsspec has no types)
        """The file system of fsspec."""
        return self._found[0]

    @property
    def root(self) -> str:
        """The path of the URL in it."""
        return self._found[1]

    @property
    def _whole(self) -> dict[str, int]:
        """What makes S3's upload one request: the parts of one that was killed would stay, and be paid for."""
        return {"chunksize": LARGEST_PUT_BYTES} if "s3" in self.files.protocol else {}

    def _path(self, name: str) -> str:
        return f"{self.root}/{name}"

    def call(self, ask: Callable[[], T]) -> T:
        """Ask, again and again if need be; that something is not there is an answer."""

        def fresh() -> T:
            self.files.invalidate_cache()  # what was listed before is not what is there: others write too
            return ask()

        try:
            return patiently(fresh, WAITS_S, may_pass, most_s=PATIENCE_S)
        except FileNotFoundError:
            raise
        except Exception as error:
            raise refusal(self.url, error) from error


def _options(url: str) -> dict[str, object]:
    """What is asked of fsspec for a kind of store: botocore shall not try again too, since tries would multiply."""
    if not url.startswith(("s3://", "s3a://")):
        return {}
    from fsspec.config import conf  # noqa: PLC0415  (as above)

    config = {"retries": {"total_max_attempts": 1}, **conf.get("s3", {}).get("config_kwargs", {})}
    return {"config_kwargs": config, "use_listings_cache": False}
