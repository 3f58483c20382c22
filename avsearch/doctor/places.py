"""Where things are kept: whether folders can be written, and how much room there is on disks and in memory."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path

import platformdirs

from avsearch.cores import num_cores
from avsearch.doctor.check import Check, State
from avsearch.home import ENVIRONMENT_VARIABLE

LITTLE_DISK = 2_000_000_000  # bytes; the demo takes about half of it
LITTLE_MEMORY = 2_000_000_000
_MEMORY = Path("/proc/meminfo")


def place_checks(library: Path) -> list[Check]:
    """The library's folder, the cache, the folder for temporary files, and the memory."""
    cache = platformdirs.user_cache_path("avsearch")
    return [
        _folder("library", library, f"Name another with --library or {ENVIRONMENT_VARIABLE}."),
        _folder("cache", cache, "Name another with XDG_CACHE_HOME."),
        _folder("temporary files", Path(tempfile.gettempdir()), "Name another with TMPDIR."),
        _memory(),
    ]


def _folder(name: str, path: Path, otherwise: str) -> Check:
    """Whether something can be written there, or where it would be made."""
    there = next(it for it in (path, *path.absolute().parents) if it.exists())
    details = {"path": str(path), "exists": path.exists()}
    if path.exists() and not path.is_dir():
        return Check(name, State.BROKEN, f"{path} is no folder", otherwise, details)
    try:
        with tempfile.TemporaryFile(dir=there):
            free = shutil.disk_usage(there).free
    except OSError as error:
        why = f"{there} cannot be written ({error.strerror})"
        return Check(name, State.BROKEN, why, f"Give yourself the right to write there. {otherwise}", details)
    details["free_bytes"] = free
    found = f"{path}{'' if path.exists() else ' (not there yet)'}, {free / 1e9:.1f} GB free"
    if free < LITTLE_DISK:
        return Check(name, State.OPTIONAL, found, f"Make room. {otherwise}", details)
    return Check(name, State.OK, found, details=details)


def _memory() -> Check:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    available = _available() or total
    cores = num_cores()
    details = {"total_bytes": total, "available_bytes": available, "cores": cores}
    found = f"{total / 1e9:.1f} GB, {available / 1e9:.1f} GB of it available; {cores} cores"
    if available < LITTLE_MEMORY:
        return Check("memory", State.OPTIONAL, found, "End other programs before indexing or training.", details)
    return Check("memory", State.OK, found, details=details)


def _available() -> int | None:
    """Bytes that a new program can have; None where the system does not say."""
    try:
        found = re.search(r"^MemAvailable:\s+(\d+) kB$", _MEMORY.read_text(), re.MULTILINE)
    except OSError:
        return None
    return None if found is None else 1024 * int(found[1])
