"""Kill a writer at the lines it runs through: `killed_writer.py OPERATION WEIGHTS FOOTAGE TEMPLATE OUT STRIDE`.

For each STRIDE-th line of avsearch, and of SQLAlchemy's transactions, that an operation runs through, the library
TEMPLATE is copied to OUT/NNNNN and a forked writer works on it, and is gone the instant before that line runs,
without any clean-up. A line counts anew after each commit. The last copy is of a writer that lived. A process that
has loaded little forks quickly.

A library on a server has no copies: with OUT `-`, the writers work on the library itself, one after the other, and
after each of them a line is printed: whether it lived, the problems that verify finds, and a digest of all moments.
"""

import faulthandler
import json
import os
import shutil
import sys
import time
import traceback
from hashlib import sha256
from pathlib import Path
from types import FrameType

import numpy as np

from avsearch.catalog import FileState, IndexedMedia, State
from avsearch.errors import LibraryError
from avsearch.library import Batch, compact, open_library, relink, remove, verify
from avsearch.models.weights import read_header
from avsearch.moments import SECOND_US, MediaInfo, MediaKind, Modality, Silent
from avsearch.vectors import Rows
from tests.library.stored import moments

TRACED = ("/avsearch/", "/sqlalchemy/engine/base.py")
COMMITS = {
    "publish", "replace_segments", "forget_encoder", "set_files", "switch_encoder", "set_pending_encoder",
    "set_localizer",
}  # fmt: skip
SURVIVED = 0
FAILED = 1
KILLED = 9
PATIENCE_S = 60


def kill_at(line_number: int):
    """A trace function that ends the process before the n-th different line; each commit makes all lines new."""
    seen: set[tuple[int, str, int]] = set()
    num_commits = 0

    def trace(frame: FrameType, event: str, _argument: object):
        nonlocal num_commits
        if not any(part in frame.f_code.co_filename for part in TRACED):
            return None
        if event == "line":
            seen.add((num_commits, frame.f_code.co_filename, frame.f_lineno))
            if len(seen) > line_number:
                os._exit(KILLED)
        elif event == "return" and frame.f_code.co_name in COMMITS:
            num_commits += 1
        return trace

    return trace


def publish(library, weights: Path, footage: Path) -> None:
    with library.writer() as writer:
        writer.use_encoder(weights)
        root = writer.catalog.add_root(footage)
        media_id = writer.reserve_media_ids(1)[0]
        info = MediaInfo(MediaKind.SOUND, SECOND_US, 0, "wav", video=None, audio=None)
        rows = Rows(np.eye(2, 4, dtype=np.float32), np.full(2, media_id), np.array([0, SECOND_US]))
        writer.publish(
            Batch(
                media=(IndexedMedia(media_id, "new", info, ("label",)),),
                rows=dict.fromkeys(Modality, rows),
                files=(FileState(root.id, b"new", 1, 1, State.INDEXED, media_id=media_id),),
            )
        )


def publish_rows(library, weights: Path, footage: Path) -> None:
    """Make the lost vectors again."""
    with library.writer() as writer:
        encoder = writer.catalog.active_encoder()
        lost = [one.media_id for one in writer.catalog.lost(encoder.id)]
        media_id = np.repeat(np.array(lost, np.int64), 2)
        rows = Rows(np.eye(len(media_id), 4, dtype=np.float32), media_id, np.tile([0, SECOND_US], len(lost)))
        writer.publish_rows(encoder, {Modality.AUDIO: rows}, media_ids=lost)


def reembed(library, weights: Path, footage: Path) -> None:
    """All of it: begin, make, switch."""
    with library.writer() as writer:
        if writer.catalog.active_encoder().fingerprint == read_header(weights).fingerprint:
            return
        encoder = writer.begin_reembed(weights)
        for media in writer.catalog.uncovered_media(encoder.id):
            rows = Rows(np.eye(2, 4, 1, dtype=np.float32), np.full(2, media), np.array([0, SECOND_US]))
            writer.publish_rows(encoder, dict.fromkeys(Modality, rows), media_ids=[media])
        writer.switch_encoder(encoder)


def compact_all(library, weights: Path, footage: Path) -> None:
    compact(library, Silent())


def remove_one(library, weights: Path, footage: Path) -> None:
    remove(library, [str(footage / "a0")])


def relink_root(library, weights: Path, footage: Path) -> None:
    if library.catalog.roots()[0].path != footage:
        relink(library, library.catalog.roots()[0].path, footage)


def set_localizer(library, weights: Path, footage: Path) -> None:
    with library.writer() as writer:
        writer.set_localizer(weights)


OPERATIONS = {
    "publish": publish,
    "publish_rows": publish_rows,
    "reembed": reembed,
    "compact": compact_all,
    "remove": remove_one,
    "relink": relink_root,
    "set_localizer": set_localizer,
}


def work(library_directory: Path, line_number: int) -> bool:
    """Fork a writer that does the operation; whether it lived."""
    child = os.fork()
    if child == 0:
        faulthandler.dump_traceback_later(PATIENCE_S, exit=True)  # one that hangs says where, and has failed
        try:
            library = open_library(library_directory)
            sys.settrace(kill_at(line_number))
            OPERATIONS[sys.argv[1]](library, Path(sys.argv[2]), Path(sys.argv[3]))
        except BaseException:  # noqa: BLE001  (whatever it is, this process must end here)
            traceback.print_exc()
            os._exit(FAILED)
        os._exit(SURVIVED)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status not in {SURVIVED, KILLED}:
        raise RuntimeError(f"the writer to be killed at line {line_number} failed on its own")
    return status == SURVIVED


def wait_until_free(library) -> None:
    """A server notices after a moment that a writer is gone."""
    last = time.monotonic() + PATIENCE_S
    while True:
        try:
            with library.writer():
                return
        except LibraryError:
            if time.monotonic() > last:
                raise
            time.sleep(0.01)


def digest(library) -> str:
    """Of all moments that can be found, and their vectors."""
    return sha256(repr(sorted(moments(library).items())).encode()).hexdigest()


def tell(library, *, lived: bool) -> None:
    problems = [str(problem) for problem in verify(library)]
    sys.stdout.write(json.dumps({"lived": lived, "problems": problems, "moments": digest(library)}) + "\n")
    sys.stdout.flush()


def main() -> None:
    template, out = Path(sys.argv[4]), sys.argv[5]
    for line_number in range(0, 100_000, int(sys.argv[6])):
        place = template
        if out != "-":
            place = Path(out) / f"{line_number:05d}"
            shutil.copytree(template, place)
        lived = work(place, line_number)
        if out == "-":
            library = open_library(place)
            wait_until_free(library)
            tell(library, lived=lived)
        if lived:
            return


if __name__ == "__main__":
    main()
