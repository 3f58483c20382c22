"""Keep folders indexed: index, wait until something has changed and stands still again, index again.

The system's messages only say when to look. What counts is what a look finds, because the messages are incomplete:
network drives and stores of objects send none, nor does a disk that is mounted, and names that are no UTF-8 break
them off. So everything is also looked at once a minute. Where messages are known not to come,
WATCHFILES_FORCE_POLLING=1 in the environment makes watchfiles poll instead (WATCHFILES_POLL_DELAY_MS says how
often).
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import watchfiles

from avsearch.errors import AvsearchError, MediaError
from avsearch.media.listing import Listing, list_media
from avsearch.media.names import is_media_name
from avsearch.remote import is_remote
from indexer.build import index
from indexer.events import Listener, Timings
from indexer.index_job import Indexed, IndexJob

TICK_S = 1.0
LOOK_EVERY_S = 60.0
LOOKS_PART = 20  # looking takes at most one part in so many of the time
SETTLE_S = 2.0  # two looks so far apart must agree before anything is read
SETTLE_LIMIT_S = 300.0  # a file that never stands still, as a recording, is not waited for longer
RETRY_S = 10.0  # after an error; twice as long after each further one
RETRY_LIMIT_S = 600.0


def watch(
    job: IndexJob,
    tell: Listener,
    stop: threading.Event,
    *,
    on_round: Callable[[Indexed], None],
    on_error: Callable[[AvsearchError], None] | None = None,
) -> Indexed:
    """Index once, and again whenever files came, changed or went, until `stop` is set; the last round's result.

    Between two rounds others may write to the library. A folder that is still empty is waited for. The encoder is
    taken and failed files are retried in the first round only.

    Args:
        job: what to index.
        tell: told what happens within a round.
        stop: ends a round as it ends `index`, and the waiting at once.
        on_round: told what each round has done.
        on_error: told why a round could not be; it is tried again. Without it the error ends the watch.

    Raises:
        AvsearchError: the first round cannot be.
    """
    result, num_errors, is_first = _nothing_done(), 0, True
    seen = list_media(job.paths)
    while True:
        try:
            result = index(job, tell, stop)
            on_round(result)
            job, num_errors = replace(job, model=None, retry_failed=False), 0
        except AvsearchError as error:
            is_about_media = isinstance(error, MediaError)  # and so can only go when the files change
            if on_error is None or (is_first and not (is_about_media and not seen.absent)):
                raise
            on_error(error)
            num_errors = 0 if is_about_media else num_errors + 1
        is_first = False
        seen = _next_state(job.paths, seen, stop, at_most_s=_pause_s(num_errors))
        if stop.is_set():
            return result


def _pause_s(num_errors: int) -> float:
    """Seconds after which a round is tried again though nothing has changed."""
    return min(RETRY_S * 2 ** min(num_errors - 1, 10), RETRY_LIMIT_S) if num_errors else math.inf


def _next_state(paths: Sequence[Path], seen: Listing, stop: threading.Event, *, at_most_s: float) -> Listing:
    """What is there once something has changed and stands still, or the time is over, or `stop` is set."""
    _wait_for_change(paths, seen, stop, at_most_s=at_most_s)
    return seen if stop.is_set() else _stand_still(paths, stop)


def _wait_for_change(paths: Sequence[Path], seen: Listing, stop: threading.Event, *, at_most_s: float) -> None:
    """Wait until the files are no longer as they were seen, the time is over, or `stop` is set."""
    end = time.monotonic() + at_most_s
    places = _places(seen)
    while not stop.is_set():
        look_at = -math.inf  # nobody has listened until now
        for has_message in _messages(seen, stop):
            began = time.monotonic()
            if began >= end:
                return
            if has_message or began >= look_at or places != _places(seen):
                places = _places(seen)
                if _differ(list_media(paths), seen):
                    return
                took = time.monotonic() - began
                look_at = began + max(LOOK_EVERY_S, LOOKS_PART * took)


def _stand_still(paths: Sequence[Path], stop: threading.Event) -> Listing:
    """Wait until sizes and times of all files stand still, as they do not while one is being copied."""
    end = time.monotonic() + SETTLE_LIMIT_S
    seen = list_media(paths)
    while not stop.wait(SETTLE_S):
        before, seen = seen, list_media(paths)
        if not _differ(before, seen) or time.monotonic() > end:
            break
    return seen


def _messages(seen: Listing, stop: threading.Event) -> Iterator[bool]:
    """Listen, and say at every tick whether a message came; ends with `stop`, or to be called again."""
    of_disks = [name for name in seen.num_entries if not is_remote(name)]
    folders = {*of_disks, *(name.rpartition("/")[0] or "/" for name in seen.named_files if not is_remote(name))}
    if not folders:
        yield from _ticks(stop, at_most_s=math.inf)
        return
    changes = watchfiles.watch(
        *filter(_is_utf8, sorted(folders)),
        watch_filter=lambda _, path: _may_matter(path, seen),
        stop_event=stop,
        rust_timeout=round(TICK_S * 1000),
        yield_on_timeout=True,
        recursive=False,  # it would follow links to folders
        ignore_permission_denied=True,
    )
    try:
        with closing(changes):
            for some in changes:
                yield bool(some)
    except (OSError, RuntimeError):  # a name that is no UTF-8, a folder that went, more than can be watched
        yield True
        yield from _ticks(stop, at_most_s=LOOK_EVERY_S)


def _ticks(stop: threading.Event, *, at_most_s: float) -> Iterator[bool]:
    """Nobody tells what changes, so there is nothing to do but to look now and then."""
    end = time.monotonic() + at_most_s
    while time.monotonic() < end and not stop.wait(TICK_S):
        yield False


def _may_matter(path: str, seen: Listing) -> bool:
    """Whether a message about a path is worth a look; most are about files that are no media."""
    name = path.rpartition("/")[2]
    if path in seen.named_files:
        return True
    return not name.startswith(".") and (is_media_name(name) or path in seen.num_entries or Path(path).is_dir())


def _differ(one: Listing, other: Listing) -> bool:
    """Whether files or folders came, changed or went between two looks."""
    return (one.files, one.absent, one.unreadable, one.num_entries.keys()) != (
        other.files,
        other.absent,
        other.unreadable,
        other.num_entries.keys(),
    )


def _places(seen: Listing) -> list[tuple[int, int] | None]:
    """Which folder is where one was named: another one once a disk was mounted there, or taken away."""
    return [_place(path) for path in (*seen.named_folders.values(), *seen.absent.values())]


def _place(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _is_utf8(path: str) -> bool:
    return path == path.encode(errors="replace").decode()


def _nothing_done() -> Indexed:
    """The result of a watch that was ended before there was anything to index."""
    return Indexed(
        num_indexed=0,
        num_unchanged=0,
        num_missing=0,
        num_removed=0,
        failures=(),
        partly=(),
        unmounted=(),
        hours=0.0,
        seconds=0.0,
        stopped=True,
        timings=Timings(),
    )
