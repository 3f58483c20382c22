"""The job of `avsearch serve`: listen, answer, and end without a trace."""

from __future__ import annotations

import asyncio
import logging
import resource
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import uvicorn

from avsearch.cluster import connected
from avsearch.errors import AvsearchError
from avsearch.library import open_library
from avsearch.query import Hold
from avsearch.web.app import build_app
from avsearch.web.connections import connections_with
from avsearch.web.local import Apart, LocalQueries, local_socket
from avsearch.web.observing import LOGGER, Observed, log_to
from avsearch.web.services import Services
from avsearch.web.settings import Limits, Settings

if TYPE_CHECKING:
    from avsearch.cluster.cluster import Cluster

_SPARE_FILES = 256  # descriptors for all else than connections
_BACKLOG = 2048


def serve(settings: Settings, stop: threading.Event, *, tell: Callable[[str], None]) -> None:
    """Serve a library until `stop` is set; requests under way are then answered first.

    Args:
        settings: what, where and to whom.
        stop: ends it.
        tell: told the address as soon as it can be connected to; the library may still be loading.

    Raises:
        LibraryError: there is no library, or it cannot be used.
        ClusterError: the cluster that is to hold its vectors is not there, or is lost.
        AvsearchError: the address cannot be had.
    """
    library = open_library(settings.library)
    settings = replace(settings, library=library.directory, limits=_within_system(settings.limits))
    log_to()
    with ExitStack() as stack:
        cluster = None if settings.ray is None else stack.enter_context(connected(settings.ray))
        network = stack.enter_context(_listening(settings))
        local, why = stack.enter_context(local_socket(settings.library))
        services = stack.enter_context(closing(Services(settings, hold=_hold(cluster))))
        if local is None:
            fields = {"reason": why, "meaning": "avsearch query will load the encoder by itself"}
            logging.getLogger(LOGGER).warning("no socket in the library", extra={"fields": fields})
        services.start()
        tell(_address(settings, network))
        _run(services, network, local, lambda: stop.is_set() or (cluster is not None and cluster.is_lost))
        if cluster is not None:
            cluster.require()


def _hold(cluster: Cluster | None) -> Hold | None:
    """Where vectors are held: on the nodes of a cluster; None for the memory of this process."""
    if cluster is None:
        return None
    from avsearch.query.sharding import hold_on  # noqa: PLC0415  (it needs Ray)

    return hold_on(cluster)


def _run(
    services: Services, network: socket.socket, local: socket.socket | None, is_over: Callable[[], bool]
) -> None:
    limits = services.settings.limits
    queries = Observed(LocalQueries(services), services.metrics)
    app = Apart(queries, build_app(services), None if local is None else local.getsockname())
    config = uvicorn.Config(
        app,
        http=connections_with(limits),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=limits.keep_alive_s,
        timeout_graceful_shutdown=limits.shutdown_s,
        backlog=_BACKLOG,
    )
    asyncio.run(_Server(config, is_over).serve([network] if local is None else [network, local]))


class _Server(uvicorn.Server):
    """Ends when it is told to; signals are the command line's affair."""

    def __init__(self, config: uvicorn.Config, is_over: Callable[[], bool]) -> None:
        super().__init__(config)
        self._is_over = is_over

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def on_tick(self, counter: int) -> bool:
        return self._is_over() or await super().on_tick(counter)


@contextmanager
def _listening(settings: Settings) -> Iterator[socket.socket]:
    try:
        found = socket.getaddrinfo(settings.host.strip("[]"), settings.port, type=socket.SOCK_STREAM)
        family, *_, address = found[0]
        listening = socket.create_server(address[:2], family=family, backlog=_BACKLOG)
    except (OSError, OverflowError) as error:
        told = error.strerror if isinstance(error, OSError) else str(error)
        raise AvsearchError(
            f"{settings.host}:{settings.port} cannot be listened on ({told}).",
            hint="Give another --port or --host.",
        ) from error
    with listening:
        yield listening


def _address(settings: Settings, listening: socket.socket) -> str:
    """Where a browser finds the page."""
    host, port = listening.getsockname()[:2]
    named = settings.host if settings.host.lower() == "localhost" else host
    return f"http://[{named}]:{port}/" if ":" in named else f"http://{named}:{port}/"


def _within_system(limits: Limits) -> Limits:
    """As many connections as the system gives descriptors for; it is asked for more of them first."""
    wanted = limits.num_connections + _SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        more = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (more, hard))
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return replace(limits, num_connections=max(min(limits.num_connections, soft - _SPARE_FILES), 16))
