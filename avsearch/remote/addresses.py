"""Places behind a URL as paths, so that they can be compared, sorted and nested as those on a disk.

`s3://bucket/clip.mp4` is `Path("s3:/bucket/clip.mp4")`: a path that names, and at which nothing ever lies. No path
of a file on a disk is like it, since those are absolute.
"""

from __future__ import annotations

import re
from pathlib import Path

from avsearch.remote.store import check_url

_REMOTE = re.compile(r"([a-z][a-z0-9+.-]+):(?:/(.*))?", re.DOTALL)
_OF_THIS_MACHINE = {"file", "local"}  # their URLs have no host: three slashes


def is_remote(path: Path | str) -> bool:
    """Whether a path, or a text that may be one, names something behind a URL."""
    return _REMOTE.fullmatch(str(path)) is not None


def address(path: Path | str) -> str:
    """A path as people write it: the URL of what lies behind one, any other as it is."""
    found = _REMOTE.fullmatch(str(path))
    if found is None or found[2] is None:
        return str(path)
    slashes = ":///" if found[1] in _OF_THIS_MACHINE else "://"
    return found[1] + slashes + found[2].lstrip("/")


def checked(path: Path) -> Path:
    """A place behind a URL that a person has named.

    Raises:
        StorageError: it is no place, or holds credentials.
    """
    check_url(address(path))
    return path


def base_and_key(path: Path) -> tuple[str, str]:
    """The URL of the bucket, the host or the disk, and what stands behind it."""
    scheme, *names = path.parts
    if scheme.rstrip(":") in _OF_THIS_MACHINE:
        return f"{scheme}///", "/".join(names)
    return f"{scheme}//{names[0] if names else ''}", "/".join(names[1:])


def is_name_of_a_file(key: str) -> bool:
    """Whether what stands behind a URL can be a path: no empty name, none that leads up, nothing but text."""
    names = key.split("/")
    try:
        key.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return not {"", ".", ".."}.intersection(names)
