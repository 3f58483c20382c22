"""Objects that live on nodes, and what becomes of a call: used by the driver, and on the nodes themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import ray
from ray import exceptions

from avsearch.errors import ClusterError

LOOK_EVERY_S = 0.2
T = TypeVar("T")
_CANNOT_IMPORT = "failed to import on the worker"  # as Ray says it, in a RuntimeError
_LOGS_HINT = "Ray's logs on the nodes (below /tmp/ray/session_latest/logs) say why."


class WorkerLost(ClusterError):  # noqa: N818
    """The process that a function ran in died, each time that it was tried."""


class NodeGone(ClusterError):  # noqa: N818
    """The node that a call was for is not there."""


class ActorLost(ClusterError):  # noqa: N818
    """An object on a node is not there: its process or node died.

    Attributes:
        is_gone: it does not come back by itself.
    """

    is_gone = False


@dataclass(frozen=True)
class Placed:
    """Where an object is to live, and with what.

    Attributes:
        node_id: which node; another one if that is lost. None for any.
        num_gpus: that are its own.
        num_threads: calls that it answers at the same time.
    """

    node_id: str | None = None
    num_gpus: int = 0
    num_threads: int = 1


@dataclass(frozen=True, eq=False)
class Actor:
    """An object that lives on a node; it can be given to functions that run on others."""

    handle: Any

    def call(self, method: str, *given: object) -> Any:  # noqa: ANN401  (whatever the method returns)
        """Call one of its methods and wait.

        Raises:
            ActorLost: it is not there; the call may have been carried out or not.
            Exception: what the method raises.
        """
        return fetched(getattr(self.handle, method).remote(*given))

    def begin(self, method: str, *given: object) -> Any:  # noqa: ANN401  (Ray's reference)
        """Call one of its methods and do not wait; what comes of it, `Cluster.result` can tell."""
        return getattr(self.handle, method).remote(*given)

    def end(self) -> None:
        """Its process ends at once."""
        ray.kill(self.handle)


@dataclass(frozen=True, eq=False)
class Shared(Generic[T]):
    """A value that every node can fetch, for as long as the one who shared it holds this."""

    reference: Any

    def value(self) -> T:
        """The value; arrays cannot be written.

        Raises:
            ClusterError: it is lost.
        """
        value: T = fetched(self.reference)
        return value


def this_node() -> str:
    """Ray's name for the node that this process runs on."""
    return str(ray.get_runtime_context().get_node_id())


def fetched(reference: Any) -> Any:  # noqa: ANN401
    """What a call has come to, once it has.

    Raises:
        WorkerLost, ActorLost: whoever was to do it died.
        NodeGone: where it was to be done is not there.
        ClusterError: Ray could not do it.
        Exception: what was called raised it.
    """
    try:
        return ray.get(reference)
    except exceptions.RayTaskError as error:
        raise _cause(error) from error
    except exceptions.RayActorError as error:
        if error.actor_init_failed:
            raise ClusterError(f"A node cannot do its part ({last_line(error)}).", hint=_LOGS_HINT) from error
        lost = ActorLost("A process of the cluster ended unexpectedly.", hint=_LOGS_HINT)
        lost.is_gone = isinstance(error, exceptions.ActorDiedError)
        raise lost from error
    except exceptions.ObjectLostError as error:  # what it answered lay on a node that is gone
        raise ActorLost("A node of the cluster is gone, and with it an answer.", hint=_LOGS_HINT) from error
    except (exceptions.WorkerCrashedError, exceptions.NodeDiedError, exceptions.OutOfMemoryError) as error:
        raise WorkerLost("A process of the cluster ended unexpectedly.", hint=_LOGS_HINT) from error
    except exceptions.TaskUnschedulableError as error:  # so far as this machine knows
        raise NodeGone("The node is gone.", hint=_LOGS_HINT) from error
    except exceptions.RayError as error:
        raise ClusterError(f"The cluster failed ({last_line(error)}).", hint=_LOGS_HINT) from error


def last_line(error: Exception) -> str:
    """The end of what an error says, where Ray puts what it was about."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else type(error).__name__


def _cause(error: exceptions.RayTaskError) -> Exception:
    """The exception itself, as it was raised on the node; the whole of Ray's text where that cannot travel."""
    if _CANNOT_IMPORT in str(error.cause):
        hint = "Install the same avsearch there as here, into the Python that Ray runs with."
        return ClusterError(f"A node cannot run what it is asked to ({last_line(error.cause)}).", hint=hint)
    if isinstance(error.cause, Exception) and not isinstance(error.cause, exceptions.RayError):
        return error.cause
    return ClusterError(f"A node cannot do its part ({last_line(error)}).", hint=_LOGS_HINT)
