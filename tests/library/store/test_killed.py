"""A writer that is killed at any of its requests to the store leaves the state before or after."""

import os
import signal
import subprocess
import sys

import pytest

from avsearch.library import open_library, orphans, remove, verify
from tests.library.stored import moments, named_segments
from tests.object_store import Fault

OPERATE = """
import sys
from pathlib import Path
from avsearch.library import open_library
from tests.library.killed_writer import OPERATIONS
OPERATIONS[sys.argv[1]](open_library(Path(sys.argv[2])), Path(sys.argv[3]), Path(sys.argv[4]))
"""


def killed_at(store, pid, number, *, is_done):
    """Kill a process at its n-th request, which is done or not, and never answered."""
    seen = []

    def fault(request):
        seen.append(request)
        if len(seen) != number:
            return None
        kill = lambda: os.kill(pid, signal.SIGKILL)  # noqa: E731
        return Fault(after=kill) if is_done else Fault(503, "SlowDown", before=kill)

    store.fault = fault


def operate(library, operation, weights, footage, store, number, *, is_done):
    """Whether another process that does an operation outlived its n-th request."""
    command = [sys.executable, "-c", OPERATE, operation, library.directory, weights, footage]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OPENBLAS_NUM_THREADS": "1"}
    process = subprocess.Popen(command, env=environment)
    killed_at(store, process.pid, number, is_done=is_done)
    code = process.wait(120)
    store.fault = lambda _request: None
    assert code in {0, -signal.SIGKILL}
    return code == 0


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("operation", ["publish", pytest.param("compact", marks=pytest.mark.long)])
@pytest.mark.parametrize("is_done", [False, True], ids=["not done", "done"])
def test_a_writer_that_is_killed_at_any_request_leaves_the_state_before_or_after(
    library, fill, weights, footage, object_store, segments, operation, is_done
):
    for seed in range(2):
        fill(f"a{seed}", f"b{seed}", seed=seed)
    if operation == "compact":
        remove(library, [str(footage / "a0")])
    before = moments(library)
    for number in range(1, 60):
        lived = operate(library, operation, weights, footage, object_store, number, is_done=is_done)
        again = open_library(library.directory)
        found = moments(again)
        assert verify(again) == []
        assert found == before or (operation == "publish" and len(found) == len(before) + 4)
        with again.writer():
            assert orphans(again) == []
        assert set(segments()) == named_segments(again)
        assert object_store.unfinished_uploads() == 0
        before = found
        if lived:
            break
    assert lived
    assert number > 8
