"""Run ffmpeg and ffprobe safely: a limit on waiting, a drained stderr, a process group that is always killed."""

from __future__ import annotations

import fcntl
import os
import re
import resource
import select
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from avsearch.errors import MediaError
from avsearch.media import safety
from avsearch.media.reasons import why_failed
from avsearch.media.waiting import still_waiting

STDERR_LIMIT_BYTES = 1 << 20
OUTPUT_LIMIT_BYTES = 1 << 28
READ_BYTES = 1 << 18
STALL_S = 120.0  # the longest wait for a process to put out anything at all, however long its file
MOST_PATIENCE_S = 600.0  # that may be saved up with `Running.grant`
PIPE_BYTES = 1 << 20  # asked of the kernel, so that a process seldom waits for its reader
SECOND_OUTPUT = "pipe:second"  # in a command: stands for a pipe beside stdout, read by `Running.blocks`
_LOOK_EVERY_MS = 200
_ERROR = re.compile(r"^.*?\[(?:error|fatal|panic)\] ")
INSTALL_HINT = "Install ffmpeg 5.1 or newer, for example with `apt-get install ffmpeg`."


@dataclass
class Running:
    """A started process whose stdout is read with `read`; waiting for it is what its time limit counts."""

    process: subprocess.Popen[bytes]
    path: Path
    patience_s: float
    second: int | None = None
    granted_s: float = 0.0
    errors: bytearray = field(default_factory=bytearray)

    @property
    def stderr(self) -> str:
        """The end of what the process printed, without the file's name; complete once `running` has ended."""
        return self.errors.replace(safety.printed_name(self.path), b"").decode("utf-8", "replace")

    def complaints(self) -> list[str]:
        """The errors that it printed, in their order, without names and addresses of parts of ffmpeg."""
        lines = [line for line in self.stderr.splitlines() if _ERROR.match(line)]
        return [_ERROR.sub("", line).strip().rstrip(".") for line in lines]

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes, or fewer at the end of the output.

        Raises:
            MediaError: the process was waited for longer than its limit allows.
        """
        output = _stream(self.process.stdout)
        parts: list[bytes] = []
        while size > 0:
            self._await_any([output.fileno()])
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

    def blocks(self) -> Iterator[tuple[int, bytes]]:
        """(1 or 2, bytes) of stdout and of the second output as they come, until both have ended.

        Raises:
            MediaError: as `read`.
        """
        numbers = {_stream(self.process.stdout).fileno(): 1}
        if self.second is not None:
            numbers[self.second] = 2
        while numbers:
            for descriptor in self._await_any(list(numbers)):
                if block := os.read(descriptor, READ_BYTES):
                    yield numbers[descriptor], block
                else:
                    del numbers[descriptor]

    def grant(self, seconds: float) -> None:
        """Be patient for longer, because of what has come; what a header promises is no reason."""
        self.granted_s += seconds
        self.patience_s = min(self.patience_s + seconds, MOST_PATIENCE_S)
        _limit(self.process, self.granted_s)

    def wait(self) -> int:
        """The exit status, once the output has been read to its end."""
        try:
            return self.process.wait(timeout=max(self.patience_s, 0.1))
        except subprocess.TimeoutExpired:
            raise self._too_slow() from None

    def _await_any(self, descriptors: Sequence[int]) -> list[int]:
        """Those of some descriptors that have something to read."""
        began = time.monotonic()
        poll = select.poll()
        for descriptor in descriptors:
            poll.register(descriptor, select.POLLIN)
        end = began + min(max(self.patience_s, 0.0), STALL_S)
        ready = poll.poll(0)
        while not ready and (left_s := end - time.monotonic()) > 0:
            still_waiting()
            ready = poll.poll(min(left_s * 1000, _LOOK_EVERY_MS))
        self.patience_s -= time.monotonic() - began
        if not ready:
            raise self._too_slow()
        return [descriptor for descriptor, _ in ready]

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
def running(
    argv: Sequence[str],
    *,
    path: Path,
    timeout_s: float,
    on_line: Callable[[str], None] | None = None,
    stdin: int = subprocess.DEVNULL,
) -> Iterator[Running]:
    """Start a process, yield it for reading, and leave nothing of it behind.

    A block left early kills the whole process group. One that reads to the end learns whether it succeeded.

    Args:
        argv: program and arguments; `SECOND_OUTPUT` among them becomes a pipe.
        path: the media file concerned, for messages.
        timeout_s: seconds that it may be waited for.
        on_line: told each line of stderr, in a thread of its own.
        stdin: a descriptor that it reads from.

    Raises:
        MediaError: the program is missing, fails, or is waited for longer than `timeout_s`.
    """
    with _second_pipe(argv) as (complete, second, writing_end):
        current = Running(_start(complete, writing_end, stdin), path, timeout_s, second, granted_s=timeout_s)
        _limit(current.process, timeout_s)
    drain = threading.Thread(target=_drain, args=(current, on_line), daemon=True)
    drain.start()
    try:
        yield current
        is_whole = not current.read(1)
        status = current.wait() if is_whole else 0
    finally:
        _kill(current.process)
        drain.join()
        _stream(current.process.stdout).close()
        if second is not None:
            os.close(second)
    if why := why_failed(status, current.complaints(), is_whole=is_whole):
        raise MediaError(f"{path}: {why}")


@contextmanager
def _second_pipe(argv: Sequence[str]) -> Iterator[tuple[list[str], int | None, tuple[int, ...]]]:
    """The command with its second output in place, that pipe's end for reading, and the one to hand on."""
    if SECOND_OUTPUT not in argv:
        yield list(argv), None, ()
        return
    reading_end, writing_end = os.pipe()
    try:
        with suppress(PermissionError):  # the user has too many large pipes already; it works with a small one
            fcntl.fcntl(reading_end, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        yield (
            [f"pipe:{writing_end}" if part == SECOND_OUTPUT else part for part in argv],
            reading_end,
            (writing_end,),
        )
    except BaseException:
        os.close(reading_end)
        raise
    finally:
        os.close(writing_end)  # the process has its own


def _start(argv: Sequence[str], inherited: Sequence[int], stdin: int) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            argv,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
            pass_fds=inherited,
            env=safety.process_environment(),
        )
    except FileNotFoundError:
        raise MediaError(f"{argv[0]} is not installed.", hint=INSTALL_HINT) from None
    except OSError as error:
        raise MediaError(f"{argv[0]} cannot be started ({error.strerror}).", hint=INSTALL_HINT) from error


def _limit(process: subprocess.Popen[bytes], timeout_s: float) -> None:
    """Bound what it may take: from outside, since code between fork and exec is unsafe where there are threads."""
    with suppress(ProcessLookupError, PermissionError):  # it has ended, or started as another user (snap)
        for kind, most in safety.process_limits(timeout_s).items():
            _, hard = resource.prlimit(process.pid, kind)
            bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.prlimit(process.pid, kind, (bound, hard))


def _stream(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None  # opened as a pipe above
    return stream


def _drain(current: Running, on_line: Callable[[str], None] | None) -> None:
    """Read stderr to its end so that the process never blocks on it; keep only the last part."""
    rest = b""
    with _stream(current.process.stderr) as stream:
        while block := _more_errors(current.process, stream.fileno()):
            current.errors += block
            del current.errors[:-STDERR_LIMIT_BYTES]
            if on_line is not None:
                *lines, rest = (rest + block).split(b"\n")
                rest = rest[-STDERR_LIMIT_BYTES:]
                for line in lines:
                    on_line(line.decode("utf-8", "replace"))


def _more_errors(process: subprocess.Popen[bytes], stderr: int) -> bytes:
    """What comes next; nothing at the end, which is also where the process is gone and a stray child holds on."""
    poll = select.poll()
    poll.register(stderr, select.POLLIN)
    while not poll.poll(_LOOK_EVERY_MS):
        if process.returncode is not None:
            return b""
    return os.read(stderr, READ_BYTES)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill the whole group, even when its leader is gone and only children hold on."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
