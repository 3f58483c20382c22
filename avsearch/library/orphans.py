"""Files that no row of the catalog names: what is left when a writer is killed before its commit."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from avsearch.catalog import Catalog
from avsearch.library.layout import CONFIG_NAME, Layout
from avsearch.vectors.durable import ASIDE_SUFFIX

_OWN_NAME = re.compile(r"[0-9a-f]{32}\.safetensors")  # of a segment, and of weights


@dataclass(frozen=True)
class Lying:
    """What was written at some moment, finished or not; each has a name that no other file ever gets.

    Attributes:
        segments: names, unfinished ones too.
        unfinished: other files.
    """

    segments: tuple[str, ...]
    unfinished: tuple[Path, ...]


def what_lies_there(layout: Layout) -> Lying:
    """List what there is now: what is written and named after this is never taken for left over.

    Raises:
        LibraryError: the store of the segments cannot be read.
    """
    names = layout.shelf.names()
    return Lying(
        tuple(sorted(name for name in names if _OWN_NAME.fullmatch(name) or _is_unfinished(name))),
        (
            *layout.encoders.glob(f"*.safetensors*{ASIDE_SUFFIX}"),
            *layout.directory.glob(f"{CONFIG_NAME}{ASIDE_SUFFIX}"),
        ),
    )


def find_orphans(layout: Layout, catalog: Catalog) -> list[str]:
    """Paths and addresses of segments and weights that no row names, and of files that were never finished.

    Raises:
        LibraryError: the catalog, or the store of the segments, cannot be read.
    """
    there = what_lies_there(layout)
    segments = map(layout.shelf.address, _unnamed(there, catalog))
    return sorted([*segments, *map(str, (*there.unfinished, *_weights(layout, catalog)))])


def sweep_orphans(layout: Layout, catalog: Catalog) -> None:
    """Remove these; nothing but avsearch's own is ever among them.

    Raises:
        LibraryError: as above, or something cannot be removed.
    """
    sweep(what_lies_there(layout), layout, catalog)
    for path in _weights(layout, catalog):
        path.unlink(missing_ok=True)


def sweep(there: Lying, layout: Layout, catalog: Catalog) -> None:
    """Remove what is unfinished of this, and the segments that the catalog does not name now.

    Raises:
        LibraryError: as above.
    """
    for name in _unnamed(there, catalog):
        layout.shelf.delete(name)
    for path in there.unfinished:
        path.unlink(missing_ok=True)


def _unnamed(there: Lying, catalog: Catalog) -> list[str]:
    named = {record.name for record in catalog.all_segments()}
    return [name for name in there.segments if name not in named]


def _weights(layout: Layout, catalog: Catalog) -> list[Path]:
    """Weights of encoders that the catalog does not know."""
    weights = [path for path in layout.encoders.glob("*.safetensors") if _OWN_NAME.fullmatch(path.name)]
    named = {layout.encoder_path(encoder.fingerprint) for encoder in catalog.encoders()}
    return [path for path in weights if path not in named]


def _is_unfinished(name: str) -> bool:
    return name.endswith(f".safetensors{ASIDE_SUFFIX}")
