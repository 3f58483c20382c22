"""A run whose files are read on a cluster: this process plans and commits, nodes decode and embed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from avsearch.cluster.actors import NodeGone, Placed, WorkerLost
from avsearch.cluster.cluster import NUM_RETRIES, Cluster, Node
from avsearch.errors import ClusterError, MediaError, StorageError, UsageError
from avsearch.media import require_file
from avsearch.media.waiting import still_waiting
from avsearch.remote import is_remote
from indexer.fetching import told_of_store
from indexer.ingest import Read
from indexer.node import Encoders, NodeEncoder, hash_there, look_around, read_there
from indexer.read_file import ReadFile
from indexer.reader import ContentReader

T = TypeVar("T")
AHEAD = 1  # files for each node beyond its CPUs, so that none waits for us


@dataclass
class Spread:
    """The encoders of a cluster, and what reads files with them.

    Attributes:
        cluster: where.
        encoders: one a node, or one a GPU.
        num_readers: files in hand at the same time.
        decode_cpu_s: CPU seconds of the decoding processes, on all nodes.
        embed_cpu_s: CPU seconds of the encoders.
    """

    cluster: Cluster
    encoders: Encoders
    num_readers: int
    decode_cpu_s: float = 0.0
    embed_cpu_s: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def content_hash(self, result: ReadFile) -> str:
        """The hash of a file's bytes, read by a node; none where its store does not give it.

        Raises:
            MediaError: the file is gone, or ends whoever reads it.
            ClusterError: a node cannot see it, or the cluster is lost.
        """
        file = result.file
        try:
            return self._run(file.path, hash_there, file)
        except StorageError as error:
            result.unreached = told_of_store(error, file.path)
            return ""

    def read(self, result: ReadFile, read_content: ContentReader) -> Iterator[Read]:
        """Give the moments of a file as a node has encoded them, and fill in what it says of the file.

        Raises:
            MediaError, ClusterError: as `content_hash`.
        """
        path, content_hash = result.file.path, result.content_hash
        plans = {content_hash: read_content.plans[content_hash]} if content_hash in read_content.plans else {}
        given = result.file, content_hash, replace(read_content, plans=plans), self.encoders
        there = self._run(path, read_there, *given)
        with self._lock:
            self.decode_cpu_s += there.decode_cpu_s
            self.embed_cpu_s += there.embed_cpu_s
        yield from there.encoded
        read = there.read
        result.content_hash, result.info, result.gap_us = read.content_hash, read.info, read.gap_us
        result.left_out, result.reason, result.unreached = read.left_out, read.reason, read.unreached

    def _run(self, path: Path, function: Callable[..., T], *given: object) -> T:
        """Have a node do something with a file, and tell whose fault it is if it cannot."""
        try:
            return self.cluster.run(function, *given, meanwhile=still_waiting)
        except WorkerLost as error:
            self.cluster.run(look_around, [])  # where even this cannot be, the file is not to blame
            raise _deadly(path) from error
        except ClusterError:
            if not is_remote(path):
                require_file(path)
            raise


def spread(cluster: Cluster, weights: Path, device: str, folders: Sequence[Path]) -> Spread:
    """Look at every node, and have the encoders made; that goes on while files are decoded.

    Args:
        cluster: where.
        weights: of the encoder.
        device: `auto` (GPUs where the cluster has any), `cpu` or `cuda`.
        folders: of the footage.

    Raises:
        UsageError: there is no such device.
        ClusterError: a node cannot see the footage, lacks what reading needs, or has no avsearch.
    """
    nodes = [node for node in cluster.nodes() if _is_able(cluster, node, folders)]
    if not nodes:
        raise ClusterError(
            "All nodes of the cluster are gone.", hint="Run the same command again when they are back."
        )
    data = cluster.share(weights.read_bytes())
    on = _device(device, nodes)
    seats = [(it.node_id or "", cluster.place(NodeEncoder, on, where=it)) for it in _places(nodes, on)]
    for _, encoder in seats:
        encoder.begin("prepare", data)
    return Spread(cluster, Encoders(seats, data), sum(node.num_cpus + AHEAD for node in nodes))


def _is_able(cluster: Cluster, node: Node, folders: Sequence[Path]) -> bool:
    """Whether a node can do its part; one that is gone meanwhile does none."""
    try:
        cluster.run_on(node, look_around, folders)
    except NodeGone:
        return False
    except ClusterError as error:
        cluster.require()
        raise ClusterError(f"{node.address}: {error.message}", hint=error.hint) from error
    return True


def _device(name: str, nodes: Sequence[Node]) -> str:
    has_gpu = any(node.num_gpus for node in nodes)
    if name == "auto":
        return "cuda" if has_gpu else "cpu"
    if name not in {"cpu", "cuda"}:
        raise UsageError(
            f"{name} cannot be chosen on a cluster.", hint="Use auto, cpu or cuda; Ray says which one."
        )
    if name == "cuda" and not has_gpu:
        raise UsageError("The cluster has no GPU.", hint="Use cpu, or start Ray on a machine that has one.")
    return name


def _places(nodes: Sequence[Node], device: str) -> list[Placed]:
    """Where encoders go: one with each GPU, else one to each node, with as many threads as it has CPUs."""
    if device == "cuda":
        return [Placed(num_gpus=1, num_threads=2) for node in nodes for _ in range(node.num_gpus)]
    return [Placed(node.id, num_threads=node.num_cpus) for node in nodes]


def _deadly(path: Path) -> MediaError:
    return MediaError(
        f"{path}: ended the process that read it, {NUM_RETRIES + 1} times.",
        hint="Look at it with `ffprobe`, and at the memory of the nodes.",
    )
