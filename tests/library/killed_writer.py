"""Kill a writer at the lines that it runs through: `killed_writer.py WEIGHTS FOOTAGE TEMPLATE OUT STRIDE`.

For each STRIDE-th line of avsearch, and of SQLAlchemy's transactions, that a writer runs through, the library
TEMPLATE is copied to OUT/NNNNN and a forked writer publishes into it, and is gone the instant before that line
runs, without any clean-up. The last copy is of a writer that lived. A process that has loaded little forks quickly.
"""

import os
import shutil
import sys
from pathlib import Path
from types import FrameType

import numpy as np

from avsearch.catalog import FileState, IndexedMedia, State
from avsearch.library import Batch, open_library
from avsearch.moments import SECOND_US, MediaInfo, MediaKind, Modality
from avsearch.vectors import Rows

TRACED = ("/avsearch/", "/sqlalchemy/engine/base.py")
SURVIVED = 0
KILLED = 9


def kill_at(line_number: int):
    """A trace function that ends the process before the n-th different line runs."""
    seen: set[tuple[str, int]] = set()

    def trace(frame: FrameType, event: str, _argument: object):
        if not any(part in frame.f_code.co_filename for part in TRACED):
            return None
        if event == "line":
            seen.add((frame.f_code.co_filename, frame.f_lineno))
            if len(seen) > line_number:
                os._exit(KILLED)
        return trace

    return trace


def publish(library_directory: Path, weights: Path, footage: Path, line_number: int) -> None:
    library = open_library(library_directory)
    sys.settrace(kill_at(line_number))
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


def main() -> None:
    weights, footage, template, out = map(Path, sys.argv[1:5])
    for line_number in range(0, 100_000, int(sys.argv[5])):
        copy = out / f"{line_number:05d}"
        shutil.copytree(template, copy)
        child = os.fork()
        if child == 0:
            publish(copy, weights, footage, line_number)
            os._exit(SURVIVED)
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == SURVIVED:
            return


if __name__ == "__main__":
    main()
