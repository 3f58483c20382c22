"""`avsearch index`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from avsearch.cli.index_result import result_record, say_how_to_go_on, say_result, say_what_went_wrong
from avsearch.cli.interrupt import stop_on_signal
from avsearch.cli.options import (
    DeviceOption,
    JsonOption,
    LibraryOption,
    ManifestOption,
    RayOption,
    WorkersOption,
    library_directory,
)
from avsearch.cli.output import list_failures, print_json, say
from avsearch.moments import SECOND_US

if TYPE_CHECKING:
    from avsearch.errors import AvsearchError
    from avsearch.moments import Failed
    from indexer.index_job import Indexed, IndexJob

Footage = Annotated[
    list[Path],
    typer.Argument(
        help="Videos, sounds and pictures, or folders of them to any depth, also behind a URL, as "
        "s3://BUCKET/FOLDER, or whatever else fsspec reaches.",
        metavar="PATH|URL",
    ),
]
Model = Annotated[
    Path | None,
    typer.Option("--model", metavar="FILE", help="Weights file of the encoder; needed once for each library."),
]
Database = Annotated[
    str | None,
    typer.Option(
        "--database",
        metavar="URL",
        help="Where a new library keeps its catalog, as postgresql://USER@HOST/DATABASE. A password is used and "
        "not kept: later runs take it from PGPASSWORD or ~/.pgpass.",
        show_default="a file in the library",
    ),
]
Segments = Annotated[
    str | None,
    typer.Option(
        "--segments",
        metavar="URL",
        help="Where a new library keeps its vectors, as s3://BUCKET/FOLDER, or in whatever else fsspec reaches. "
        "Credentials come from the environment.",
        show_default="a folder in the library",
    ),
]
AudioStream = Annotated[
    int | None,
    typer.Option(
        "--audio-stream",
        metavar="N",
        min=0,
        help="Which of several sound streams, counted from 0.",
        show_default="the file's own",
    ),
]
MaxGap = Annotated[
    float,
    typer.Option(
        "--max-gap",
        metavar="S",
        min=1.0,
        help="Keyframes further apart than this get frames in between, which takes longer.",
    ),
]
RetryFailed = Annotated[bool, typer.Option("--retry-failed", help="Read files again that failed before.")]
Watch = Annotated[bool, typer.Option("--watch", help="Go on: index what changes, until Ctrl-C.")]


def index(
    paths: Footage,
    manifest: ManifestOption = None,
    model: Model = None,
    audio_stream: AudioStream = None,
    max_gap: MaxGap = 2.0,
    retry_failed: RetryFailed = False,
    watch: Watch = False,
    database: Database = None,
    segments: Segments = None,
    library: LibraryOption = None,
    workers: WorkersOption = None,
    device: DeviceOption = "auto",
    ray: RayOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make media searchable; read only what is new or changed.

    What cannot be read is listed with its reason (exit code 3). Ctrl-C finishes what is in hand; the same command
    goes on from there. On PostgreSQL several runs share the work; with --ray a cluster decodes and embeds.

    Example: avsearch index ~/footage --model run/encoder.safetensors
    """
    from indexer.index_job import IndexJob

    job = IndexJob(
        paths=paths,
        library=library_directory(library),
        model=model,
        manifest=manifest,
        audio_stream=audio_stream,
        num_workers=workers,
        retry_failed=retry_failed,
        device=device,
        database_url=database,
        segments_url=segments,
        gap_us=round(max_gap * SECOND_US),
        ray=ray,
    )
    raise typer.Exit(_run(job, watch=watch, as_json=as_json))


def _run(job: IndexJob, *, watch: bool, as_json: bool) -> int:
    """Do it and say what came of it; the exit code."""
    result, code = _watch(job, as_json=as_json) if watch else _index(job, as_json=as_json)
    if as_json:
        print_json({"event": "done", **result_record(job, result)})
    if watch:
        say("No longer watching.")
    else:
        say_result(job, result)
    say_what_went_wrong(result)
    if result.stopped and not watch:
        say_how_to_go_on(job)
    return code


def _index(job: IndexJob, *, as_json: bool) -> tuple[Indexed, int]:
    """Index once; the result and the exit code."""
    from avsearch.cli.index_screen import shown_events
    from indexer.build import index as index_media

    with stop_on_signal() as request, shown_events(as_json=as_json) as tell:
        result = index_media(job, tell, request.event)
    if result.stopped:
        return result, request.exit_code
    return result, 3 if result.failures or result.partly or result.unmounted else 0


def _watch(job: IndexJob, *, as_json: bool) -> tuple[Indexed, int]:
    """Index whenever something changes; being stopped is the ordinary end."""
    from avsearch.cli.index_screen import shown_events
    from indexer.watch import watch as watch_folders

    told: set[Failed] = set()

    def tell_round(result: Indexed) -> None:
        if as_json:
            print_json({"event": "round", **result_record(job, result)})
        say_result(job, result)
        new = [it for it in (*result.partly, *result.failures) if it not in told]
        list_failures(new)
        told.update(new)

    def tell_error(error: AvsearchError) -> None:
        if as_json:
            print_json({"event": "error", "message": error.message, "hint": error.hint})
        say(f"error: {error.message}", *([error.hint] if error.hint else []), "It will be tried again.")

    with stop_on_signal() as request, shown_events(as_json=as_json) as tell:
        return watch_folders(job, tell, request.event, on_round=tell_round, on_error=tell_error), 0
