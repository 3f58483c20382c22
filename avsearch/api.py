"""For Python programs: open, ask, index, evaluate; the jobs of the command line without the printing.

Everything here is in `avsearch` itself, and loaded when it is first used:

    import avsearch

    library = avsearch.open_library("~/lib")
    for hit in avsearch.search(library, "still.jpg", find="audio", k=5):
        print(hit.score, hit.path, hit.start_s)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avsearch.home import default_library
from avsearch.library import Library
from avsearch.library import open_library as open_library_at
from avsearch.moments import Silent

if TYPE_CHECKING:
    from avsearch.evaluation import Report
    from avsearch.query import Session
    from indexer.index_job import Indexed

PathText = str | PathLike[str]


def open_library(directory: PathText | None = None) -> Library:
    """Open a library for reading; the default one where none is named.

    Raises:
        LibraryError: there is none, it is damaged, or of another version.
    """
    return open_library_at(default_library() if directory is None else _path(directory))


def open_session(library: Library, *, device: str = "auto") -> Session:
    """A library with its encoder loaded and its vectors in memory, for many queries, also from several threads.

    Args:
        library: what is asked.
        device: where the encoder runs, and where vectors are compared.

    Raises:
        LibraryError: nothing has been indexed, or the library is damaged.
    """
    from avsearch.encoder import load_encoder  # noqa: PLC0415  (torch: a second)
    from avsearch.query.devices import settled  # noqa: PLC0415
    from avsearch.query.opening import open_session as with_encoder  # noqa: PLC0415
    from avsearch.query.opening import weights_of  # noqa: PLC0415

    devices = settled(device)
    return with_encoder(library, load_encoder(weights_of(library), devices.network), cards=devices.cards)


def index(
    paths: Sequence[PathText],
    library: PathText,
    *,
    model: PathText | None = None,
    manifest: PathText | None = None,
    device: str = "auto",
    tell: Callable[[Any], None] | None = None,
) -> Indexed:
    """Make media searchable; read only what is new or changed.

    Args:
        paths: files and folders, also behind URLs, as s3://BUCKET/FOLDER.
        library: its directory; it is made where there is none.
        model: weights of the encoder; needed once for each library.
        manifest: CSV that gives labels.
        device: where the encoder runs.
        tell: told what happens, one of `indexer.events` at a time.

    Raises:
        AvsearchError: the library cannot be written, or the model or the manifest cannot be used. A file that
            cannot be read is no error: it stands in `Indexed.failures`.
    """
    from indexer.build import index as run_job  # noqa: PLC0415
    from indexer.index_job import IndexJob  # noqa: PLC0415  (torch)

    job = IndexJob([_path(it) for it in paths], _path(library), device=device)
    if model is not None:
        job = replace(job, model=_path(model))
    if manifest is not None:
        job = replace(job, manifest=_path(manifest))
    return run_job(job, tell or _tell_nobody)


def evaluate(
    manifest: PathText,
    sources: Sequence[PathText],
    report: PathText,
    *,
    split: str = "test",
    label_column: str = "labels",
    group: Sequence[str] = (),
) -> Report:
    """Measure search on labelled media, in four directions, and write the report.

    Args:
        manifest: CSV with path, labels, split and any more columns.
        sources: weights files, or libraries' directories, not both.
        report: the folder that the report is written to.
        split: which rows of the manifest.
        label_column: the column whose labels say what is relevant.
        group: columns whose values say what is of one source; within a modality it is left out.

    Raises:
        AvsearchError: a source or the manifest cannot be used, or nothing is left to ask with.
    """
    from avsearch.evaluation import EvaluationSettings  # noqa: PLC0415
    from avsearch.evaluation.job import EvaluateJob, run_evaluation  # noqa: PLC0415

    settings = EvaluationSettings(
        _path(manifest), split=split, label_column=label_column, group_columns=tuple(group)
    )
    return run_evaluation(EvaluateJob([_path(it) for it in sources], settings, _path(report)), Silent())


def _path(given: PathText) -> Path:
    return Path(given).expanduser()


def _tell_nobody(_event: object) -> None:
    """Events go nowhere."""
