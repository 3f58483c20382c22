"""Which objects below a place behind a URL are media: by their names, as in folders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from avsearch.media.names import is_media_name
from avsearch.remote import Version, is_name_of_a_file


@dataclass(frozen=True)
class Objects:
    """Objects by their whole names.

    Attributes:
        media: what is to be read.
        others: hidden, or no media.
        nameless: media under names that no file can have.
    """

    media: Mapping[str, Version]
    others: Mapping[str, Version]
    nameless: tuple[str, ...]


def sort_objects(top: str, found: Mapping[str, Version]) -> Objects:
    """Sort what lies below a place, given by the rest of its name."""
    media: dict[str, Version] = {}
    others: dict[str, Version] = {}
    nameless: list[str] = []
    for key, version in found.items():
        if not _is_wanted(key):
            others[f"{top}/{key}"] = version
        elif is_name_of_a_file(key):
            media[f"{top}/{key}"] = version
        else:
            nameless.append(f"{top}/{key}")
    return Objects(media, others, tuple(nameless))


def _is_wanted(key: str) -> bool:
    """A media's name, and no hidden folder on the way to it; `.` and `..` are no folders here."""
    *folders, name = key.split("/")
    return is_media_name(name) and not any(it.startswith(".") and it.strip(".") for it in folders)
