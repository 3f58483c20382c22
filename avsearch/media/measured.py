"""Run a whole process and measure it; what ffmpeg alone needs for a file, to compare with."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from avsearch.errors import MediaError
from avsearch.media import safety
from avsearch.media.runner import INSTALL_HINT

DECODE_TIMEOUT_S = 6 * 3600.0
_ERRORS_KEPT = 4000


@dataclass(frozen=True)
class Measured:
    """A process that has ended.

    Attributes:
        status: its exit status; negative for the signal that ended it.
        output: what it wrote to stdout.
        errors: the end of what it wrote to stderr.
        wall_s: from its start to its end, in seconds.
        cpu_s: CPU seconds of it and of the processes that it waited for.
    """

    status: int
    output: bytes
    errors: str
    wall_s: float
    cpu_s: float


def run_measured(
    argv: Sequence[str], *, timeout_s: float, on_start: Callable[[int], None] | None = None
) -> Measured:
    """Run to the end, in a process group of its own that is killed if it takes too long or the caller is stopped.

    Args:
        argv: program and arguments.
        timeout_s: wall-clock limit in seconds; the status is then that of SIGKILL.
        on_start: told the process id.

    Raises:
        MediaError: the program cannot be started.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        began_s = time.monotonic()
        process = _start(argv, output.fileno(), errors.fileno())
        limit = threading.Timer(timeout_s, _kill, [process.pid])
        limit.start()
        try:
            if on_start is not None:
                on_start(process.pid)
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            _kill(process.pid)
            process.wait()
            raise
        finally:
            limit.cancel()
        wall_s = time.monotonic() - began_s
        process.returncode = os.waitstatus_to_exitcode(status)  # it has been waited for
        return Measured(
            status=process.returncode,
            output=_content(output.fileno()),
            errors=_content(errors.fileno())[-_ERRORS_KEPT:].decode("utf-8", "replace"),
            wall_s=wall_s,
            cpu_s=usage.ru_utime + usage.ru_stime,
        )


def decode_everything(path: Path) -> Measured:
    """`ffmpeg -i FILE -f null -`: decode every picture and all sound of a file, and drop them.

    Raises:
        MediaError: ffmpeg is missing or cannot decode it.
    """
    limits = [part for name, value in safety.INPUT_OPTIONS.items() for part in (f"-{name}", value)]
    argv = [
        "ffmpeg",
        *safety.GLOBAL_OPTIONS,
        "-v",
        "error",
        *limits,
        "-i",
        safety.file_url(path),
        "-f",
        "null",
        "-",
    ]
    measured = run_measured(argv, timeout_s=DECODE_TIMEOUT_S)
    if measured.status != 0:
        reason = measured.errors.strip().splitlines()[-1:] or [f"status {measured.status}"]
        raise MediaError(f"{path}: ffmpeg alone cannot decode it ({reason[0]}).", hint="Leave it out.")
    return measured


def ffmpeg_version() -> str:
    """The version that `ffmpeg -version` prints.

    Raises:
        MediaError: ffmpeg is missing.
    """
    words = run_measured(["ffmpeg", "-version"], timeout_s=60.0).output.decode("utf-8", "replace").split()
    return words[2] if len(words) > 2 else "unknown"


def _start(argv: Sequence[str], output: int, errors: int) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=output, stderr=errors, start_new_session=True
        )
    except OSError as error:
        raise MediaError(f"{argv[0]} cannot be started ({error.strerror}).", hint=INSTALL_HINT) from error


def _content(descriptor: int) -> bytes:
    os.lseek(descriptor, 0, os.SEEK_SET)
    with open(descriptor, "rb", closefd=False) as file:
        return file.read()


def _kill(process_id: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process_id, signal.SIGKILL)
