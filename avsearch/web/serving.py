"""The job of `avsearch serve`: listen, answer, and end without a trace."""

from __future__ import annotations

import asyncio
import logging
import resource
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace

import uvicorn

from avsearch.errors import AvsearchError
from avsearch.library import open_library
from avsearch.web.app import build_app
from avsearch.web.connections import connections_with
from avsearch.web.local import Apart, LocalQueries, local_socket
from avsearch.web.observing import LOGGER, Observed, log_to
from avsearch.web.services import Services
from avsearch.web.settings import Limits, Settings

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
        AvsearchError: the address cannot be had.
    """
    library = open_library(settings.library)
    settings = replace(settings, library=library.directory, limits=_within_system(settings.limits))
    log_to()
    with (
        _listening(settings) as network,
        local_socket(settings.library) as (local, why),
        closing(Services(settings)) as services,
    ):
        if local is None:
            fields = {"reason": why, "meaning": "avsearch query will load the encoder by itself"}
            logging.getLogger(LOGGER).warning("no socket in the library", extra={"fields": fields})
        services.start()
        tell(_address(settings, network))
        _run(services, network, local, stop)


def _run(services: Services, network: socket.socket, local: socket.socket | None, stop: threading.Event) -> None:
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
    asyncio.run(_Server(config, stop).serve([network] if local is None else [network, local]))


class _Server(uvicorn.Server):
    """Ends when an event is set; signals are the command line's affair."""

    def __init__(self, config: uvicorn.Config, stop: threading.Event) -> None:
        super().__init__(config)
        self._stop = stop

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def on_tick(self, counter: int) -> bool:
        return self._stop.is_set() or await super().on_tick(counter)


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
