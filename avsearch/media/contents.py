"""When two files hold the same."""

from __future__ import annotations

from pathlib import Path

import xxhash

from avsearch.media.safety import open_file
from avsearch.media.waiting import still_waiting

_READ_BYTES = 1 << 20


def content_hash(path: Path) -> str:
    """xxh3-128 of the file's bytes, as 32 hexadecimal digits.

    Raises:
        MediaError: it is not a regular file, or most of its bytes are not there (`safety.open_file`).
        OSError: it cannot be read.
    """
    digest = xxhash.xxh3_128()
    with open_file(path) as file:
        while block := file.read(_READ_BYTES):
            still_waiting()
            digest.update(block)
    return digest.hexdigest()
