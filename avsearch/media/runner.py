"""Run ffmpeg and ffprobe safely: a limit on waiting, a drained stderr, a process group that is always killed."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from avsearch.errors import MediaError

STDERR_LIMIT_BYTES = 1 << 20
OUTPUT_LIMIT_BYTES = 1 << 28
READ_BYTES = 1 << 18
_ERROR = re.compile(r"^.*?\[(?:error|fatal|panic)\] ")
INSTALL_HINT = "Install ffmpeg 5 or newer, for example with `apt-get install ffmpeg`."


@dataclass
class Running:
    """A started process whose stdout is read with `read`; waiting for it is what its time limit counts."""

    process: subprocess.Popen[bytes]
    path: Path
    patience_s: float
    errors: bytearray = field(default_factory=bytearray)

    @property
    def stderr(self) -> str:
        """The end of what the process printed; complete once `running` has ended."""
        return self.errors.decode("utf-8", "replace")

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes, or fewer at the end of the output.

        Raises:
            MediaError: the process was waited for longer than its limit allows.
        """
        output = _stream(self.process.stdout)
        parts: list[bytes] = []
        while size > 0:
            self._await_output(output)
            block = os.read(output.fileno(), min(size, READ_BYTES))
            if not block:
                break
            parts.append(block)
            size -= len(block)
        return b"".join(parts)

    def skip(self, size: int) -> None:
        """Read `size` bytes, or to the end, and keep none of them."""
        while size > 0 and (block := self.read(min(size, READ_BYTES))):
            size -= len(block)

    def wait(self) -> int:
        """The exit status, once the output has been read to its end."""
        try:
            return self.process.wait(timeout=max(self.patience_s, 0.1))
        except subprocess.TimeoutExpired:
            raise self._too_slow() from None

    def _await_output(self, output: IO[bytes]) -> None:
        began = time.monotonic()
        ready, _, _ = select.select([output], [], [], max(self.patience_s, 0.0))
        self.patience_s -= time.monotonic() - began
        if not ready:
            raise self._too_slow()

    def _too_slow(self) -> MediaError:
        return MediaError(
            f"{self.path}: decoding it takes too long.", hint="It may be damaged; try `ffmpeg -i` on it."
        )


def run(argv: Sequence[str], *, path: Path, timeout_s: float) -> tuple[bytes, str]:
    """Run to the end and return (stdout, stderr); for outputs of bounded size.

    Args:
        argv: program and arguments.
        path: the media file concerned, for messages.
        timeout_s: wall-clock limit in seconds.

    Raises:
        MediaError: the program is missing, fails, takes too long or puts out more than 256 MiB.
    """
    with running(argv, path=path, timeout_s=timeout_s) as process:
        output = process.read(OUTPUT_LIMIT_BYTES + 1)
        if len(output) > OUTPUT_LIMIT_BYTES:
            raise MediaError(f"{path}: {argv[0]} puts out more than {OUTPUT_LIMIT_BYTES >> 20} MiB.")
    return output, process.stderr


@contextmanager
def running(argv: Sequence[str], *, path: Path, timeout_s: float) -> Iterator[Running]:
    """Start a process, yield it for reading, and leave nothing of it behind.

    A block left early (by an exception, or by a reader that has enough) kills the whole process group. A
    block that reads to the end learns whether the process succeeded.

    Raises:
        MediaError: the program is missing, exits with an error, or is waited for longer than `timeout_s`.
    """
    current = Running(process=_start(argv), path=path, patience_s=timeout_s)
    drain = threading.Thread(target=_drain, args=(current,), daemon=True)
    drain.start()
    try:
        yield current
        status = 0 if current.read(1) else current.wait()
    finally:
        _kill(current.process)
        drain.join()
        _stream(current.process.stdout).close()
    if status != 0:
        raise MediaError(f"{path}: {_reason(current)}")


def _start(argv: Sequence[str]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )
    except FileNotFoundError:
        raise MediaError(f"{argv[0]} is not installed.", hint=INSTALL_HINT) from None
    except OSError as error:
        raise MediaError(f"{argv[0]} cannot be started ({error.strerror}).", hint=INSTALL_HINT) from error


def _stream(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None  # opened as a pipe above
    return stream


def _drain(current: Running) -> None:
    """Read stderr to its end so that the process never blocks on it; keep only the last part."""
    with _stream(current.process.stderr) as stream:
        while block := os.read(stream.fileno(), READ_BYTES):
            current.errors += block
            del current.errors[:-STDERR_LIMIT_BYTES]


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill the whole group, even when its leader is gone and only children hold on."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _reason(current: Running) -> str:
    """The last two errors that ffmpeg printed: what went wrong inside, and what that came to."""
    told = [_ERROR.sub("", line) for line in current.stderr.splitlines() if _ERROR.match(line)]
    told = [line.removeprefix(f"file:{current.path}:").strip().rstrip(".") for line in told[-2:]]
    status = current.process.returncode
    return "; ".join(dict.fromkeys(told)) + "." if told else f"ffmpeg ended with status {status}, giving no reason."
