"""`avsearch index`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from avsearch.cli.options import DeviceOption, JsonOption, LibraryOption, ManifestOption, library_directory
from avsearch.cli.output import list_failures, print_json, say, shown_progress

if TYPE_CHECKING:
    from indexer.build import Indexed


Paths = Annotated[
    list[Path],
    typer.Argument(help="Videos, sounds and pictures, or folders of them to any depth.", metavar="PATH..."),
]
Model = Annotated[
    Path | None, typer.Option("--model", help="Weights file of the encoder; needed once for each library.")
]
AudioStream = Annotated[
    int | None,
    typer.Option("--audio-stream", min=0, help="Which of several sound streams. [default: the file's own]"),
]
Workers = Annotated[
    int | None, typer.Option("--workers", min=1, help="Files decoded at once. [default: one for each core]")
]
RetryFailed = Annotated[bool, typer.Option("--retry-failed", help="Read files again that failed before.")]


def index(
    paths: Paths,
    library: LibraryOption = None,
    model: Model = None,
    manifest: ManifestOption = None,
    audio_stream: AudioStream = None,
    workers: Workers = None,
    retry_failed: RetryFailed = False,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Make media searchable; files that are indexed and unchanged are skipped.

    What cannot be read is listed with its reason and does not stop the run (exit code 3).

    Example: avsearch index ~/footage --model run/encoder.safetensors
    """
    from indexer.build import IndexJob
    from indexer.build import index as index_media

    directory = library_directory(library)
    job = IndexJob(
        paths=paths,
        library=directory,
        model=model,
        manifest=manifest,
        audio_stream=audio_stream,
        num_workers=workers,
        retry_failed=retry_failed,
        device=device,
    )
    with shown_progress() as progress:
        result = index_media(job, progress)
    if as_json:
        print_json({"library": str(directory), **_record(result)})
    _say_result(directory, result)
    if result.failures:
        list_failures(result.failures)
        raise typer.Exit(3)


def _record(result: Indexed) -> dict[str, Any]:
    return {
        "indexed": result.num_indexed,
        "unchanged": result.num_unchanged,
        "missing": result.num_missing,
        "failed": [{"path": str(it.path), "reason": it.reason} for it in result.failures],
        "hours": round(result.hours, 4),
        "seconds": round(result.seconds, 2),
    }


def _say_result(directory: Path, result: Indexed) -> None:
    speed = f", {result.hours * 3600 / result.seconds:.0f} times real time" if result.hours else ""
    say(
        f"{directory}: {result.num_indexed} files indexed, {result.num_unchanged} unchanged, "
        f"{result.num_missing} missing, {len(result.failures)} failed ({result.seconds:.1f} s{speed})."
    )
