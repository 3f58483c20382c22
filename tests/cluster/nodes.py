"""A Ray cluster of two nodes on this machine, and how its processes come to grief."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

STORE_BYTES = 80 << 20
LOOPBACK = "127.0.0.1"
_POLL_S = 0.005


@dataclass
class TwoNodes:
    """The nodes, each with one CPU; the first one is the head, and that of the driver."""

    cluster: Any
    folder: Path
    _second: Any = field(default=None)

    @property
    def address(self) -> str:
        return self.cluster.address

    def be_two(self) -> None:
        """Start the second node, if it is not there."""
        if self._second is None:
            self._second = patiently(lambda: self.cluster.add_node(**_node()))

    def lose_one(self) -> None:
        """The second node is gone, at once, with all of its processes."""
        second, self._second = self._second, None
        self.cluster.remove_node(second, allow_graceful=False)

    def vanish(self) -> None:
        """All of its processes are gone at once, first the one that knows of all others."""
        lines = sorted(self.processes().items(), key=lambda process: "gcs_server" not in process[1])
        for pid, line in lines:
            if any(name in line for name in ("gcs_server", "raylet", "ray::")):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def processes(self) -> dict[int, str]:
        """Process ids of this cluster -> their command lines, which Ray rewrites."""
        ours = f"RAY_TMPDIR={self.folder}".encode()
        found = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    if ours in (entry / "environ").read_bytes():
                        found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                except OSError:
                    continue  # it has ended
        return found

    @contextmanager
    def killing(self, is_victim: Callable[[TwoNodes], int | None], *, times: int) -> Iterator[list[int]]:
        """Kill processes as soon as they are found, from another thread; gives the list of those that were."""
        killed: list[int] = []
        ended = threading.Event()

        def hunt() -> None:
            while len(killed) < times and not ended.wait(_POLL_S):
                pid = is_victim(self)
                if pid is not None and pid not in killed:
                    os.kill(pid, signal.SIGKILL)
                    killed.append(pid)

        hunter = threading.Thread(target=hunt, daemon=True)
        hunter.start()
        try:
            yield killed
        finally:
            ended.set()
            hunter.join()


def named(name: str) -> Callable[[TwoNodes], int | None]:
    """Finds a process of Ray by what it is at, as `ray::read_there`."""

    def find(nodes: TwoNodes) -> int | None:
        return next((pid for pid, line in nodes.processes().items() if line.startswith(name)), None)

    return find


def reader_of(path: Path) -> Callable[[TwoNodes], int | None]:
    """Finds the process that has started a decoder for a file."""

    def find(nodes: TwoNodes) -> int | None:
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    if os.fsencode(path) in (entry / "cmdline").read_bytes():
                        parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                        if nodes.processes().get(parent, "").startswith("ray::"):
                            return parent
                except OSError:
                    continue
        return None

    return find


@contextmanager
def two_nodes() -> Iterator[TwoNodes]:
    """A cluster that answers on the loopback alone, without a dashboard, with a temporary folder of its own."""
    pytest.importorskip("ray", reason="Ray is not installed (avsearch[ray])")
    from ray.cluster_utils import Cluster

    folder = Path(tempfile.mkdtemp(prefix="ray-"))  # short: sockets lie in it
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_TMPDIR", str(folder))
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        cluster = patiently(lambda: Cluster(True, False, {"include_dashboard": False, **_node()}))
        try:
            nodes = TwoNodes(cluster, folder)
            nodes.be_two()
            yield nodes
        finally:
            cluster.shutdown()
            shutil.rmtree(folder, ignore_errors=True)


def patiently(start: Callable[[], Any]) -> Any:
    """Start something of Ray's, which gives up after half a minute on a machine that has too much to do."""
    for _ in range(2):
        with suppress(Exception):
            return start()
    return start()


def _node() -> dict[str, Any]:
    return {"num_cpus": 1, "object_store_memory": STORE_BYTES, "node_ip_address": LOOPBACK}
