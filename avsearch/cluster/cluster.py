"""A cluster that is there: its nodes, functions that run on them, and objects that live on them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from avsearch.cluster.actors import LOOK_EVERY_S, Actor, NodeGone, Placed, Shared, WorkerLost, fetched
from avsearch.cluster.address import answers_at
from avsearch.errors import ClusterError
from avsearch.patience import patiently

NUM_RETRIES = 3  # of a call whose process or node died
_WATCH_EVERY_S = 2.0
_MISSED_LOOKS = 3  # one after the other, before the cluster counts as lost
_LOOKS_WITHOUT_NODES = 30  # likewise: nodes may be on their way
_NODE_WAITS_S = (0.5, 1, 2, 4, 8)  # for a node that has come and is not known everywhere, or whose end is not
_LOST_HINT = "What was finished is kept; run the same command again when the cluster is back."

T = TypeVar("T")
_LOG = logging.getLogger("avsearch")


@dataclass(frozen=True)
class Node:
    """One of the cluster's nodes.

    Attributes:
        id: Ray's name for it.
        address: of its machine, for people.
        num_cpus: that it gives to the cluster.
        num_gpus: likewise.
    """

    id: str
    address: str
    num_cpus: int
    num_gpus: int


class Cluster:
    """What `connected` gives; several threads may use it."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._lost = ""
        self._ended = threading.Event()
        for watch in (self._watch_head, self._watch_nodes):
            threading.Thread(target=watch, name="ray-watch", daemon=True).start()

    def nodes(self) -> list[Node]:
        """The nodes that are there and work, in the order of their addresses.

        Raises:
            ClusterError: there are none.
        """
        working = self._working()
        if not working:
            raise ClusterError(
                f"{self._address}: no node of the cluster has a CPU to work with.",
                hint="Add one with `ray start --address HOST:6379`.",
            )
        return working

    def run(self, function: Callable[..., T], *given: object, meanwhile: Callable[[], None] | None = None) -> T:
        """Call a function of a module in a process of the cluster, and wait for what it returns.

        Args:
            function: it may run more than once, where a process or a node dies.
            given: its arguments.
            meanwhile: called several times a second; what it raises ends the waiting, and the call.

        Raises:
            WorkerLost: its process died each time.
            ClusterError: the cluster is lost.
            Exception: what the function raises.
        """
        return self._called(function, given, {"num_cpus": 1}, meanwhile)

    def run_on(self, node: Node, function: Callable[..., T], *given: object) -> T:
        """Call a function on one node, where it takes no CPU of its own, and wait; otherwise as `run`.

        Raises:
            NodeGone: the node is no longer there.
            WorkerLost, ClusterError, Exception: as `run`.
        """
        there = NodeAffinitySchedulingStrategy(node.id, soft=False)
        options = {"num_cpus": 0, "scheduling_strategy": there}
        try:
            return patiently(
                lambda: self._called(function, given, options),
                _NODE_WAITS_S,
                lambda error: isinstance(error, NodeGone) and self._is_listed(node),
            )
        except WorkerLost as error:
            if self._is_listed(node):
                raise
            raise NodeGone("The node is gone.", hint=_LOST_HINT) from error

    def result(self, reference: Any, meanwhile: Callable[[], None] | None = None) -> Any:  # noqa: ANN401
        """Wait for what a call comes to.

        Raises:
            WorkerLost, ActorLost: whoever was to do it died.
            ClusterError: the cluster is lost.
            Exception: what `meanwhile` or the call itself raises.
        """
        self._wait(reference, meanwhile)
        return fetched(reference)

    @property
    def is_lost(self) -> bool:
        """Whether it does not come back, as far as this connection goes."""
        return bool(self._lost)

    def place(self, make: Callable[..., object], *given: object, where: Placed) -> Actor:
        """Let an object be made on a node, where it lives until the connection ends; made anew if it dies.

        Args:
            make: its class.
            given: what it is made with.
            where: on which node, with what.
        """
        options: dict[str, Any] = {"num_cpus": 0, "num_gpus": where.num_gpus, "max_concurrency": where.num_threads}
        options |= {"max_restarts": -1, "max_task_retries": 0}  # calls go on to another one meanwhile
        if where.node_id is not None:
            options["scheduling_strategy"] = NodeAffinitySchedulingStrategy(where.node_id, soft=True)
        return Actor(_remote(make).options(**options).remote(*given))

    def share(self, value: T) -> Shared[T]:
        """Put a value where every node finds it."""
        return Shared(ray.put(value))

    def require(self) -> None:
        """Make sure that the cluster is there.

        Raises:
            ClusterError: it is not.
        """
        if self._lost:
            raise ClusterError(f"{self._address}: the Ray cluster is lost ({self._lost}).", hint=_LOST_HINT)

    def close(self) -> None:
        """Watch it no more."""
        self._ended.set()

    def _called(
        self,
        function: Callable[..., T],
        given: tuple[object, ...],
        options: dict[str, Any],
        meanwhile: Callable[[], None] | None = None,
    ) -> T:
        reference = _remote(function).options(max_retries=NUM_RETRIES, **options).remote(*given)
        try:
            self._wait(reference, meanwhile)
        except BaseException:
            with suppress(Exception):  # Ray may be gone
                ray.cancel(reference)  # never when it has ended: Ray may then end this whole process
            raise
        result: T = fetched(reference)
        return result

    def _wait(self, reference: Any, meanwhile: Callable[[], None] | None) -> None:  # noqa: ANN401
        while not ray.wait([reference], timeout=LOOK_EVERY_S)[0]:
            self.require()
            if meanwhile is not None:
                meanwhile()

    def _is_listed(self, node: Node) -> bool:
        return any(it.id == node.id for it in self._working())

    def _working(self) -> list[Node]:
        listed: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
        nodes = [_node(found) for found in listed if found["Alive"]]
        return sorted((it for it in nodes if it.num_cpus), key=lambda node: (node.address, node.id))

    def _watch_head(self) -> None:
        """Look whether the cluster's head answers: Ray itself waits a minute, and then ends the whole program."""
        answers, num_missed = _head(self._address), 0
        while not (self._lost or self._ended.wait(_WATCH_EVERY_S)):
            num_missed = 0 if answers() else num_missed + 1
            if num_missed >= _MISSED_LOOKS:
                self._lost = "its head does not answer"

    def _watch_nodes(self) -> None:
        """Look whether a node is left; where the head goes meanwhile, Ray may keep this waiting for long."""
        num_empty = 0
        while not (self._lost or self._ended.wait(_WATCH_EVERY_S)):
            try:
                num_empty = 0 if self._working() else num_empty + 1
            except Exception:  # noqa: BLE001  (of Ray's; the other watch says what it means)
                _LOG.debug("The nodes of %s cannot be listed.", self._address, exc_info=True)
            if num_empty >= _LOOKS_WITHOUT_NODES:
                self._lost = self._lost or "no node is left that has a CPU"


def _head(address: str) -> Callable[[], bool]:
    """What says whether the cluster's head answers."""
    known = getattr(ray.get_runtime_context(), "gcs_address", "")
    return answers_at(known if isinstance(known, str) and known else address)


def _node(found: dict[str, Any]) -> Node:
    resources = found["Resources"]
    num_cpus, num_gpus = int(resources.get("CPU", 0)), int(resources.get("GPU", 0))
    return Node(found["NodeID"], found["NodeManagerAddress"], num_cpus, num_gpus)


@cache
def _remote(made: Callable[..., object]) -> Any:  # noqa: ANN401  (Ray's own types of it are of no use)
    return ray.remote(made)
