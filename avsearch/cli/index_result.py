"""What an indexing run has come to, for people and for programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from avsearch.cli.output import counted, failure_record, length_of, list_failures, list_reasons, say, shell_line
from avsearch.remote import address

if TYPE_CHECKING:
    from indexer.index_job import Indexed, IndexJob


def result_record(job: IndexJob, result: Indexed) -> dict[str, Any]:
    """The whole result as a JSON object."""
    return {
        "library": str(job.library),
        "indexed": result.num_indexed,
        "unchanged": result.num_unchanged,
        "missing": result.num_missing,
        "removed": result.num_removed,
        "elsewhere": result.num_elsewhere,
        "failed": [failure_record(it) for it in result.failures],
        "partly": [failure_record(it) for it in result.partly],
        "unmounted": [address(path) for path in result.unmounted],
        "hours": round(result.hours, 4),
        "seconds": round(result.seconds, 2),
        "stopped": result.stopped,
        "timings": {name: round(seconds, 3) for name, seconds in asdict(result.timings).items()},
    }


def say_result(job: IndexJob, result: Indexed) -> None:
    """The figures in a line."""
    counts = [
        f"{counted(result.num_indexed, 'file')} indexed",
        f"{result.num_unchanged} unchanged",
        f"{result.num_missing} missing",
        f"{len(result.failures)} failed",
        *([f"{result.num_elsewhere} indexed by others meanwhile"] if result.num_elsewhere else []),
        *([f"{result.num_removed} removed earlier and left out"] if result.num_removed else []),
    ]
    took = f"{result.seconds:.1f} s"
    if result.hours:
        speed = result.hours * 3600 / result.seconds
        took = f"{length_of(result.hours * 3600)} of media in {took}, {speed:.0f} times real time"
    say(f"{job.library}: {', '.join(counts)} ({took}).")


def say_what_went_wrong(result: Indexed) -> None:
    """Folders that were not there; files that could not be read, or not wholly, and why."""
    for path in result.unmounted:
        say(
            f"{address(path)}: is not there, or empty. Is its disk mounted? Nothing below it was marked as missing."
        )
    if result.partly:
        say(f"Indexed in part only: {counted(len(result.partly), 'file')}.")
        list_reasons(result.partly)
    if result.failures:
        say(f"Not read: {counted(len(result.failures), 'file')}.")
        list_failures(result.failures)


def say_how_to_go_on(job: IndexJob) -> None:
    """The command that goes on with a run that was stopped."""
    say("Stopped; what is counted here is in the library. To go on:", f"  {shell_line(go_on_words(job))}")


def go_on_words(job: IndexJob) -> list[str]:
    """The command that goes on with a job; model and database are the library's own by now."""
    from avsearch.home import default_library

    options: list[tuple[str, object]] = [
        ("--library", None if job.library == default_library() else job.library),
        ("--manifest", job.manifest),
        ("--audio-stream", job.audio_stream),
        ("--max-gap", None if job.gap_us == type(job).gap_us else f"{job.gap_us / 1e6:g}"),
        ("--workers", job.num_workers),
        ("--device", None if job.device == type(job).device else job.device),
        ("--ray", job.ray),
    ]
    given = [str(word) for name, value in options if value is not None for word in (name, value)]
    flags = ["--retry-failed"] if job.retry_failed else []
    paths = [address(path) for path in job.paths]
    if any(path.startswith("-") for path in paths):
        return ["avsearch", "index", *given, *flags, "--", *paths]
    return ["avsearch", "index", *paths, *given, *flags]
