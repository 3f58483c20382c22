"""Many queries at once: each file of a folder or of a manifest asks, with one encoder, the vectors in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from avsearch.encoder import load_encoder
from avsearch.errors import MediaError
from avsearch.library import Library
from avsearch.manifest import read_manifest
from avsearch.media import media_files
from avsearch.moments import Failed, Progress
from avsearch.query.asking import Asked, Query, Source, Term
from avsearch.query.devices import settled
from avsearch.query.opening import open_session, weights_of


def batch_files(path: Path) -> list[Path]:
    """The media files below a folder, or those that a manifest lists, in its order.

    Raises:
        MediaError: there are none, or the folder cannot be read.
        ManifestError: the manifest cannot be used.
    """
    return media_files([path]) if path.is_dir() else [row.path for row in read_manifest(path).rows]


def ask_all(
    library: Library, files: Sequence[Path], query: Query, *, device: str, progress: Progress
) -> Iterator[Asked | Failed]:
    """Each file asks in turn; one that cannot ask is a value, with its reason.

    Args:
        library: where to search.
        files: each asks instead of the first term's file, with the weight and side of that term.
        query: what else is asked and wanted; its first term is a file.
        device: where the encoder runs, and where vectors are compared.
        progress: told of each.

    Raises:
        LibraryError: nothing has been indexed, or the library is damaged.
        UsageError: the query cannot mean anything.
    """
    devices = settled(device)
    encoder = load_encoder(weights_of(library), devices.network)
    session = open_session(library, encoder, cards=devices.cards)
    progress.stage("query", len(files), "file")
    first, *others = query.terms
    for path in files:
        own = replace(query, terms=(Term(Source(path), first.weight, first.by), *others))
        try:
            yield Asked(str(path), query.find, session.ask(own))
        except MediaError as error:
            yield Failed(path, f"{error.message} {error.hint}".replace(f"{path}: ", "").strip())
        progress.advance()
