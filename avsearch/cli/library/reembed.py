"""`avsearch library reembed`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from avsearch.cli.interrupt import stop_on_signal
from avsearch.cli.options import DeviceOption, JsonOption, LibraryOption, WorkersOption, library_directory
from avsearch.cli.output import counted, failure_record, length_of, list_failures, print_json, say, shell_line
from avsearch.errors import UsageError

if TYPE_CHECKING:
    from indexer.reembed import Reembedded, ReembedJob

Model = Annotated[Path | None, typer.Option("--model", metavar="FILE", help="Weights file of the new encoder.")]
SkipUnreadable = Annotated[
    bool,
    typer.Option(
        "--skip-unreadable",
        help="Switch although some files cannot be read; those are not found until they are indexed again.",
    ),
]
Abandon = Annotated[
    bool, typer.Option("--abandon", help="Give up an unfinished one instead; the old encoder goes on answering.")
]


def reembed(
    model: Model = None,
    abandon: Abandon = False,
    skip_unreadable: SkipUnreadable = False,
    library: LibraryOption = None,
    workers: WorkersOption = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Make all vectors anew with another encoder.

    The library answers with the old one until everything is there, then switches at once. Ctrl-C finishes what
    is in hand; the same command goes on from there.

    Example: avsearch library reembed --model run2/encoder.safetensors
    """
    from indexer.reembed import ReembedJob

    directory = library_directory(library)
    if abandon == (model is not None):
        raise UsageError(
            "Give either --model or --abandon.", hint="--model begins, or goes on; --abandon gives up."
        )
    if model is None:
        _abandon(directory, as_json=as_json)
    else:
        job = ReembedJob(directory, model, workers, device, skip_unreadable)
        raise typer.Exit(_reembed(job, as_json=as_json))


def _abandon(directory: Path, *, as_json: bool) -> None:
    from indexer.reembed import abandon

    given_up = abandon(directory)
    if as_json:
        print_json({"event": "done", "library": str(directory), "abandoned": given_up.fingerprint})
    say(f"{directory}: {given_up} is given up. `avsearch library compact` gives the room of its vectors back.")


def _reembed(job: ReembedJob, *, as_json: bool) -> int:
    """Do it and say what came of it; the exit code."""
    from avsearch.cli.index_screen import shown_events
    from indexer.reembed import reembed

    with stop_on_signal() as request, shown_events(as_json=as_json, doing="reembed") as tell:
        result = reembed(job, tell, request.event)
    if as_json:
        print_json({"event": "done", "library": str(job.library), **_record(result)})
    _say(job, result)
    if result.stopped:
        return request.exit_code
    return 3 if result.unreadable else 0


def _record(result: Reembedded) -> dict[str, Any]:
    return {
        "old": result.old.fingerprint,
        "new": result.new.fingerprint,
        "switched": result.is_switched,
        "media_done": result.num_done,
        "media_live": result.num_live,
        "media": result.num_media,
        "moments": result.num_moments,
        "unreadable": [failure_record(it) for it in result.unreadable],
        "seconds": round(result.seconds, 2),
        "stopped": result.stopped,
    }


def _say(job: ReembedJob, result: Reembedded) -> None:
    say(
        f"{job.library}: {result.num_moments} moments of {result.num_media} media made with {result.new} in "
        f"{length_of(result.seconds)}; {result.num_done} of {result.num_live} media are done."
    )
    if result.unreadable:
        say(f"Not read: {counted(len(result.unreadable), 'file')}.")
        list_failures(result.unreadable)
    if result.is_switched:
        say("The library answers with it from now on; `avsearch library compact` gives the old one's room back.")
        return
    say(f"The library still answers with {result.old}. To go on:", f"  {shell_line(_go_on_words(job))}")
    if result.unreadable:
        say("Or add --skip-unreadable, to do without the files above.")


def _go_on_words(job: ReembedJob) -> list[str]:
    options = ["--skip-unreadable"] if job.skip_unreadable else []
    return ["avsearch", "library", "reembed", "--model", str(job.model), "--library", str(job.library), *options]
