"""The library that a run indexes into: opened, or made, perhaps by another run at the same time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from avsearch.catalog import find_database
from avsearch.errors import LibraryError
from avsearch.library import Library, create_library, open_library
from avsearch.library.layout import CONFIG_NAME
from avsearch.library.lock import is_held
from avsearch.media.listing import nothing_there
from avsearch.models.weights import read_usable_header
from avsearch.remote import address, is_remote

_MADE_WITHIN_S = 10.0
_LOOK_EVERY_S = 0.05


@dataclass(frozen=True)
class Place:
    """Which library it is.

    Attributes:
        library: its directory.
        model: weights file for its encoder; None goes on with the one that it has.
        database_url: of the catalog of a library that is made.
        segments_url: of the store that is to hold its segments.
        paths: what is to be indexed, for what is said about it.
    """

    library: Path
    model: Path | None
    database_url: str | None
    segments_url: str | None
    paths: Sequence[Path]


def open_or_create(place: Place) -> Library:
    """Open the library; make it where there is none.

    Raises:
        LibraryError: it has no encoder and none is given, its catalog is elsewhere, or it cannot be used or made.
        MediaError: there is no library yet, and nothing at a path.
        WeightsError: the model cannot be used.
    """
    if (place.library / CONFIG_NAME).exists():
        return _open(place)
    for path in place.paths:
        _check_is_there(path)  # a library that is new knows nothing of what is gone
    if place.model is None:
        raise _no_encoder(place)
    read_usable_header(place.model)  # a weights file that cannot be used leaves no empty library behind
    try:
        return create_library(place.library, database_url=place.database_url, segments_url=place.segments_url)
    except LibraryError as error:
        if not _is_made_by_another(place.library, error):
            raise
    return _open(place)


def _check_is_there(path: Path) -> None:
    if is_remote(path):
        return
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise nothing_there(path) from error
    except OSError:
        return  # it is there, and listed with its reason later


def _open(place: Place) -> Library:
    library = open_library(place.library)
    if place.database_url and _public_url(place) != library.layout.database.public_url:
        raise LibraryError(
            f"{place.library}: the library has its catalog in another database.", hint="Leave --database out."
        )
    if place.segments_url and place.segments_url.rstrip("/") != library.layout.config.segments:
        raise LibraryError(
            f"{place.library}: the library has its segments elsewhere.", hint="Leave --segments out."
        )
    if place.model is None and library.catalog.active_encoder() is None:
        raise _no_encoder(place)
    return library


def _public_url(place: Place) -> str:
    return find_database(place.database_url or "", place.library.absolute()).public_url


def _is_made_by_another(directory: Path, error: LibraryError) -> bool:
    """Whether another run was quicker: it has made the library, or has the lock and makes it now."""
    end = time.monotonic() + (_MADE_WITHIN_S if is_held(error) else 0)
    while not (directory / CONFIG_NAME).exists():
        if time.monotonic() >= end:
            return False
        time.sleep(_LOOK_EVERY_S)
    return True


def _no_encoder(place: Place) -> LibraryError:
    paths = " ".join(address(path) for path in place.paths)
    return LibraryError(
        f"{place.library}: the library has no encoder yet.",
        hint=f"Train one with `avsearch train {paths} --out run`, then run "
        f"`avsearch index {paths} --library {place.library} --model run/encoder.safetensors`.",
    )
