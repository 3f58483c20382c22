"""A Milvus server for the tests: milvus-lite on 127.0.0.1, in a process that can be killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

REQUIRED = "AVSEARCH_REQUIRE_MILVUS"  # set: that there is no server is a failure
SERVING = Path(__file__).with_name("milvus_serving.py")


class MilvusServer:
    """A server over a folder, which can be killed and started again at the same address."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._port = 0
        self._process: subprocess.Popen[str] | None = None

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self, **faults: object) -> MilvusServer:
        """Serve; see `milvus_serving` for what can be made to go wrong."""
        words = [sys.executable, str(SERVING), str(self.folder / "data"), str(self._port), json.dumps(faults)]
        with (self.folder / "log").open("a") as log:
            self._process = subprocess.Popen(
                words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
            )
        assert self._process.stdout is not None
        told = self._process.stdout.readline()
        assert told, (self.folder / "log").read_text()
        self._port = int(told)
        return self

    def kill(self) -> None:
        """As a power cut does."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    @property
    def has_died(self) -> bool:
        return self._process is not None and self._process.wait(30) == 9

    def client(self):
        """pymilvus itself, to look at what is there and to change it behind everybody's back."""
        from pymilvus import MilvusClient

        return MilvusClient(self.uri, timeout=10)


@contextmanager
def running_milvus() -> Iterator[MilvusServer]:
    """A server with nothing in it; skips where milvus-lite is not installed, unless it is required."""
    lacking = [name for name in ("milvus_lite", "pymilvus") if find_spec(name) is None]
    if lacking:
        missing = f"{' and '.join(lacking)} are not installed, which `make test` does"
        pytest.fail(missing) if os.environ.get(REQUIRED) else pytest.skip(missing)
    with tempfile.TemporaryDirectory(prefix="avsearch-milvus-") as folder:
        server = MilvusServer(Path(folder)).start()
        try:
            yield server
        finally:
            server.kill()
