"""Rows of one modality over the memory of many nodes: each looks at its own, and the best of all are the answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from avsearch.cluster.actors import Actor, ActorLost, Placed, Shared
from avsearch.cluster.cluster import Cluster, Node
from avsearch.vectors.exact import checked
from avsearch.vectors.numbering import Numbering
from avsearch.vectors.ranking import Neighbours, joined, no_neighbours
from avsearch.vectors.segments import SegmentFile
from avsearch.vectors.shard import Allowed, Cut, Shard
from avsearch.vectors.shelf import Shelf

PATIENCE_S = 60.0  # with a shard that is lost, and lost again
_AGAIN_S = 0.2
_NUM_AT_ONCE = 4  # questions that a shard works at


class Shards:
    """One shard on each node of a cluster; one that is lost is made anew, where it was or elsewhere."""

    def __init__(self, cluster: Cluster) -> None:
        """Make them.

        Raises:
            ClusterError: the cluster has no nodes, or is lost.
        """
        self._cluster = cluster
        self._nodes: Sequence[Node] = cluster.nodes()
        self._renewing = threading.Lock()
        self._actors = [self._made(node) for node in self._nodes]

    def __len__(self) -> int:
        return len(self._actors)

    def share(self, value: Any) -> Shared[Any]:  # noqa: ANN401
        """Put a value where all of them find it."""
        return self._cluster.share(value)

    def ask(self, method: str, given: Mapping[int, Sequence[object]]) -> dict[int, Any]:
        """Call a method of some shards at the same time, again and again where they are lost meanwhile.

        Args:
            method: of `Shard`.
            given: number of a shard -> the arguments for it.

        Raises:
            ClusterError: the cluster is lost, or a shard for good.
            LibraryError: as the shards raise it.
        """
        end = time.monotonic() + PATIENCE_S
        answers: dict[int, Any] = {}
        while left := {at: arguments for at, arguments in given.items() if at not in answers}:
            asked = {at: self._actors[at] for at in left}
            waiting = {at: actor.begin(method, *left[at]) for at, actor in asked.items()}
            for at, reference in waiting.items():
                try:
                    answers[at] = self._cluster.result(reference)
                except ActorLost as error:
                    if time.monotonic() > end:
                        raise
                    self._recover(at, asked[at], error)
        return answers

    def actors(self) -> list[Actor]:
        """As they are now."""
        return list(self._actors)

    def _recover(self, at: int, lost: Actor, error: ActorLost) -> None:
        """Make a shard anew that does not come back by itself; give another time."""
        self._cluster.require()
        with self._renewing:
            if error.is_gone and self._actors[at] is lost:
                self._actors[at] = self._made(self._nodes[at])
        time.sleep(_AGAIN_S)

    def _made(self, node: Node) -> Actor:
        return self._cluster.place(Shard, node.num_cpus, where=Placed(node.id, num_threads=_NUM_AT_ONCE))


@dataclass(frozen=True, eq=False)
class _Part:
    """What one shard holds of the segments.

    Attributes:
        key, cut: what it is told.
        names: of its segments, in their order.
        num_rows: in all of them.
        numbered: its rows -> the numbers that they have among the rows of all shards.
    """

    key: str
    cut: Shared[Cut]
    names: tuple[str, ...]
    num_rows: int
    numbered: Numbering


class Sharded:
    """All rows of one modality, spread over the shards by whole segments; several threads may ask at once."""

    def __init__(
        self, shards: Shards, shelf: Shelf, files: Sequence[SegmentFile], *, before: Sharded | None = None
    ) -> None:
        """Have the shards read what they do not hold yet.

        Args:
            shards: of a cluster.
            shelf: where the segments lie; every node has to reach it.
            files: the segments.
            before: what was searched until now; segments stay where they are, and it may go on being asked.

        Raises:
            LibraryError: a segment is missing or damaged, as a node sees it.
            ClusterError: the cluster is lost.
        """
        self._shards = shards
        held = {} if before is None else before._parts
        owner = spread_over(files, len(shards), {name: at for at, part in held.items() for name in part.names})
        rows_before = np.cumsum([0, *(file.num_rows for file in files)]).tolist()
        first = {file.name: row for file, row in zip(files, rows_before, strict=False)}
        self._parts: dict[int, _Part] = {}
        for at in sorted(set(owner.values())):
            own = [file for file in files if owner[file.name] == at]
            self._parts[at] = self._part(shelf, own, first, held.get(at))
        self._last_allowed: tuple[NDArray[np.int64] | None, Allowed | None] = None, None
        shards.ask("hold", {at: (part.cut, part.key) for at, part in self._parts.items()})

    def nearest(
        self, queries: NDArray[np.float32], k: int, *, allowed: NDArray[np.int64] | None = None
    ) -> Neighbours:
        """What `exact.nearest` gives over the same segments.

        Raises:
            ClusterError, LibraryError: as when it was made.
        """
        queries = checked(queries, k, allowed)
        among = self._told(allowed)
        given = {at: (part.cut, part.key, queries, k, among) for at, part in self._parts.items()}
        found = no_neighbours(len(queries))
        for at, near in self._shards.ask("nearest", given).items():
            found = joined(found, replace(near, row=self._parts[at].numbered(near.row))).best(k)
        return found

    def _part(
        self, shelf: Shelf, files: Sequence[SegmentFile], first: dict[str, int], before: _Part | None
    ) -> _Part:
        names = tuple(file.name for file in files)
        counts = [file.num_rows for file in files]
        if before is not None and before.names == names:
            key, cut = before.key, before.cut
        else:
            key = uuid4().hex
            cut = self._shards.share(Cut(key, shelf, tuple(files), "" if before is None else before.key))
        begins = np.cumsum([0, *counts[:-1]], dtype=np.int64)
        counted = np.array([first[name] for name in names], np.int64)
        return _Part(key, cut, names, sum(counts), Numbering(begins, counted))

    def _told(self, allowed: NDArray[np.int64] | None) -> Allowed | None:
        """Media ids on their way to the shards: those of last time, most often all, are there already."""
        last, told = self._last_allowed
        if allowed is not last:
            told = None if allowed is None else Allowed(uuid4().hex, self._shards.share(allowed))
            self._last_allowed = allowed, told
        return told


def spread_over(files: Sequence[SegmentFile], num_shards: int, held: dict[str, int]) -> dict[str, int]:
    """Which shard each segment goes to: where it is, else to the one with the fewest rows, large ones first.

    Args:
        files: the segments.
        num_shards: how many shards there are.
        held: names of segments -> the shard that has them in memory.
    """
    owner = {file.name: held[file.name] for file in files if file.name in held}
    num_rows = [0] * num_shards
    for file in files:
        if file.name in owner:
            num_rows[owner[file.name]] += file.num_rows
    for file in sorted(files, key=lambda file: (-file.num_rows, file.name)):
        if file.name not in owner:
            owner[file.name] = min(range(num_shards), key=num_rows.__getitem__)
            num_rows[owner[file.name]] += file.num_rows
    return owner
