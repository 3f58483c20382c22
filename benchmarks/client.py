"""A server of a library, started for a while, and what it is asked over HTTP."""

from __future__ import annotations

import http.client
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def server(library: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """`avsearch serve`, ready to answer: its process and its port."""
    command = [sys.executable, "-m", "avsearch", "serve", "--library", str(library), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline().rstrip("/\n").rpartition(":")[2])
            while request(http.client.HTTPConnection("127.0.0.1", port), "GET", "/health/ready")[0] != 200:
                time.sleep(0.05)
            yield process, port
        finally:
            process.terminate()
            process.wait()


def request(
    connection: http.client.HTTPConnection, method: str, path: str, body: bytes | None = None
) -> tuple[int, bytes]:
    """Status and body of the answer."""
    connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
    answer = connection.getresponse()
    return answer.status, answer.read()
