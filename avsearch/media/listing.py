"""Which files below some paths are media, and when two files hold the same content."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import xxhash

from avsearch.errors import MediaError
from avsearch.media.pictures import PICTURE_EXTENSIONS

VIDEO_EXTENSIONS = frozenset(
    {".3g2", ".3gp", ".asf", ".av1", ".avi", ".dv", ".f4v", ".flv", ".gif", ".gxf", ".h264", ".hevc", ".ivf",
     ".m2ts", ".m2v", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".nut", ".obu", ".ogm",
     ".ogv", ".rm", ".rmvb", ".ts", ".vob", ".webm", ".wmv", ".wtv"}
)  # fmt: skip
SOUND_EXTENSIONS = frozenset(
    {".aac", ".ac3", ".aif", ".aiff", ".amr", ".ape", ".au", ".caf", ".dts", ".eac3", ".flac", ".m4a", ".m4b",
     ".mka", ".mlp", ".mp2", ".mp3", ".mpc", ".oga", ".ogg", ".opus", ".snd", ".tak", ".tta", ".voc", ".w64",
     ".wav", ".wma", ".wv"}
)  # fmt: skip
MEDIA_EXTENSIONS = VIDEO_EXTENSIONS | SOUND_EXTENSIONS | PICTURE_EXTENSIONS
_READ_BYTES = 1 << 20


def media_files(paths: Iterable[Path]) -> list[Path]:
    """The files named, and those below the folders named that have a media extension; absolute, each once.

    Folders are walked to any depth without following links to folders; hidden files and folders are left out.

    Raises:
        MediaError: a path does not exist, or a folder holds no media at all.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if not os.path.lexists(path):
            raise MediaError(f"{path}: there is no such file or folder.", hint="Check the path.")
        below = list(_walk(path.absolute())) if path.is_dir() else [path.absolute()]
        found.update(dict.fromkeys(below))
        if not below:
            raise MediaError(f"{path}: the folder holds no media.", hint="Name a folder with videos or sounds.")
    return list(found)


def content_hash(path: Path) -> str:
    """xxh3-128 of the file's bytes, as 32 hexadecimal digits."""
    digest = xxhash.xxh3_128()
    with path.open("rb") as file:
        while block := file.read(_READ_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _walk(folder: Path) -> Iterator[Path]:
    """Sorted, so that two runs see one order."""
    for directory, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(directory, name)
            if path.suffix.lower() in MEDIA_EXTENSIONS and not name.startswith("."):
                yield path
