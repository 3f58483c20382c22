"""`avsearch library repair`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from avsearch.cli.interrupt import stop_on_signal
from avsearch.cli.options import DeviceOption, JsonOption, LibraryOption, WorkersOption, library_directory
from avsearch.cli.output import counted, failure_record, length_of, list_failures, print_json, say

if TYPE_CHECKING:
    from indexer.repair import Repaired, RepairJob

Model = Annotated[
    Path | None,
    typer.Option(
        "--model", metavar="FILE", help="Weights file of the library's own encoder, where that is damaged."
    ),
]


def repair(
    model: Model = None,
    library: LibraryOption = None,
    workers: WorkersOption = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Make again what was damaged or lost, and nothing else.

    Reads only the files whose vectors are gone. What cannot be mended is said, with what to do (exit code 1); files
    that cannot be read are listed (exit code 3).

    Example: avsearch library repair
    """
    from indexer.repair import RepairJob

    raise typer.Exit(_repair(RepairJob(library_directory(library), model, workers, device), as_json=as_json))


def _repair(job: RepairJob, *, as_json: bool) -> int:
    """Do it and say what came of it; the exit code."""
    from avsearch.cli.index_screen import shown_events
    from indexer.repair import repair

    with stop_on_signal() as request, shown_events(as_json=as_json, doing="repair") as tell:
        result = repair(job, tell, request.event)
    if as_json:
        print_json({"event": "done", "library": str(job.library), **_record(result)})
    _say(job, result)
    if result.stopped:
        return request.exit_code
    return 1 if result.problems else 3 if result.still_lost else 0


def _record(result: Repaired) -> dict[str, Any]:
    return {
        "segments": result.num_segments,
        "media": result.num_media,
        "moments": result.num_moments,
        "restored": [encoder.fingerprint for encoder in result.restored],
        "changed": [failure_record(it) for it in result.changed],
        "still_lost": [failure_record(it) for it in result.still_lost],
        "problems": [str(problem) for problem in result.problems],
        "seconds": round(result.seconds, 2),
        "stopped": result.stopped,
    }


def _say(job: RepairJob, result: Repaired) -> None:
    say(
        f"{job.library}: {counted(result.num_segments, 'damaged segment')} given up, {result.num_moments} moments "
        f"of {result.num_media} media made again ({length_of(result.seconds)})."
    )
    for encoder in result.restored:
        say(f"The weights of {encoder} are restored.")
    if result.changed:
        say(f"Other than before: {counted(len(result.changed), 'file')}.")
        list_failures(result.changed)
    if result.still_lost:
        say(f"Still lost: {counted(len(result.still_lost), 'file')}.")
        list_failures(result.still_lost)
    say(*map(str, result.problems))
    if result.stopped:
        say("Stopped; the same command goes on from here.")
