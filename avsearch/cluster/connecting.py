"""Into a cluster and out of it again, with Ray's many ways to fail in sentences."""

from __future__ import annotations

import atexit
import os
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from avsearch.cluster.address import AUTO, check_address, is_of_client, require_answer
from avsearch.errors import ClusterError
from avsearch.installing import extra_hint

if TYPE_CHECKING:
    from avsearch.cluster.cluster import Cluster

_START_HINT = "Start one with `ray start --head`, or join one with `ray start --address HOST:6379`."
_LEAVE_S = 15.0
_ERRORS_ONLY = 40  # of Python's logging
_VERSION = re.compile(r"(Ray|Python): (\S+)")


@contextmanager
def connected(address: str) -> Iterator[Cluster]:
    """A cluster, for as long as the block lasts; what runs there for us ends with it.

    Args:
        address: as `ray.init` takes it, but `local`: `auto`, HOST:PORT or ray://HOST:PORT.

    Raises:
        UsageError: that is no address.
        ClusterError: Ray is not installed, or is another version than the cluster's, or no cluster answers.
    """
    check_address(address)
    ray = _load_ray()
    require_answer(_found(ray) if address == AUTO else address)
    _connect(ray, address)
    from avsearch.cluster.cluster import Cluster  # noqa: PLC0415  (it needs Ray)

    cluster = Cluster(address)
    try:
        yield cluster
    finally:
        cluster.close()
        _disconnect(ray, cluster)


def _load_ray() -> Any:  # noqa: ANN401  (a module)
    try:
        import ray  # noqa: PLC0415  (half a second)
    except ImportError as error:
        hint = extra_hint("ray", ", with the cluster's own version of Ray")
        raise ClusterError("Working on a cluster needs Ray, which is not installed.", hint=hint) from error
    return ray


def _found(ray: Any) -> str:  # noqa: ANN401
    """What `auto` stands for: Ray would wait a minute for a cluster that is gone."""
    found = os.environ.get("RAY_ADDRESS") or ray._private.utils.read_ray_address()
    if not found:
        raise ClusterError("No Ray cluster is found on this machine.", hint=_START_HINT)
    return str(found)


def _connect(ray: Any, address: str) -> None:  # noqa: ANN401
    try:
        with _own_signals():
            ray.init(address, log_to_driver=False, logging_level=_ERRORS_ONLY)
    except Exception as error:
        raise _refusal(address, error) from error
    ray._private.worker._worker_logs_enabled = False  # else its messages come to stdout, among the results


def _disconnect(ray: Any, cluster: Cluster) -> None:  # noqa: ANN401
    """Leave the cluster; where it is lost, Ray can wait for it for long, and we do not."""
    if not cluster.is_lost:
        with _own_signals():
            ray.shutdown()
        return
    leaving = threading.Thread(target=ray.shutdown, name="ray-leave", daemon=True)
    leaving.start()
    leaving.join(_LEAVE_S)
    if leaving.is_alive():
        atexit.unregister(ray.shutdown)  # it would wait for the one that is stuck


@contextmanager
def _own_signals() -> Iterator[None]:
    """Ray takes SIGTERM for itself; it is given back to whom it belongs."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _refusal(address: str, error: Exception) -> ClusterError:
    """Why there is no connection, in a sentence."""
    words = str(error)
    if "ersion mismatch" in words:
        found = [version for _, version in _VERSION.findall(words)]
        versions = f" (Ray {found[0]} and Python {found[1]} there)" if len(found) > 1 else ""
        return ClusterError(
            f"{address}: the cluster runs another version of Ray or Python than this machine{versions}.",
            hint="Install the same versions of both here and on every node.",
        )
    if isinstance(error, ImportError) and is_of_client(address):
        hint = extra_hint("ray", ", which brings `ray[client]`")
        return ClusterError("Addresses with ray:// need Ray's client, which is not installed.", hint=hint)
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    told = f" ({lines[0].rstrip('.')})" if lines else ""
    return ClusterError(f"{address}: there is no way into the Ray cluster{told}.", hint=_START_HINT)
