"""All that a running server has, and the thread that keeps it up to date."""

from __future__ import annotations

import logging
import threading
from functools import partial
from typing import Annotated

from fastapi import Depends, Request

from avsearch.errors import AvsearchError
from avsearch.query import Hold
from avsearch.web.cache import FileCache, default_cache
from avsearch.web.crew import Crew
from avsearch.web.guard import HAS_TOKEN
from avsearch.web.heat import Heat
from avsearch.web.indexing import Indexing
from avsearch.web.observing import LOGGER, Metrics
from avsearch.web.overview import Overviews, Reach
from avsearch.web.previews import Previews
from avsearch.web.refusals import Refused
from avsearch.web.served import Load, Served
from avsearch.web.settings import TOKEN_VARIABLE, Limits, Settings
from avsearch.web.uploads import Uploads

LOOK_EVERY_S = 1.0


class Services:
    """What routes use; `start` begins to look after it, `close` ends everything.

    Attributes:
        settings: how the server is run.
        metrics: its figures.
        served: the library.
        overviews: the library in figures.
        reach: which of its roots are there.
        uploads: files to ask with.
        asking: threads for uploads, and for queries with them.
        searching: threads for queries with stored moments alone, which wait for no decoder and search together.
        showing: threads for thumbnails, waveforms and the like.
        cache: files that were made of media.
        previews: light copies of media.
        heat: heat maps.
        indexing: runs that were asked for.
    """

    def __init__(self, settings: Settings, *, load: Load | None = None, hold: Hold | None = None) -> None:
        limits = settings.limits
        self.settings = settings
        self.metrics = Metrics()
        self.served = Served(settings.library, settings.device, load=load, hold=hold)
        self.overviews = Overviews()
        self.reach = Reach()
        self.uploads = Uploads(limits)
        self.asking = _crew("asking", limits, limits.num_threads, limits.ask_s)
        self.searching = _crew("searching", limits, limits.num_searching, limits.ask_s)
        self.showing = _crew("showing", limits, limits.num_threads, limits.show_s)
        self.cache = FileCache(settings.cache or default_cache(), limits.cache_bytes)
        self.previews = Previews(self.cache, limits)
        self.heat = Heat(settings.device)
        self.indexing = Indexing(settings.library, settings.device)
        self._log = logging.getLogger(LOGGER)
        self._watch_figures()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look_after, name="look-after", daemon=True)

    def start(self) -> None:
        """Load the library in the background, and look after everything from now on."""
        self._thread.start()

    def look(self) -> None:
        """Look once: at the library, and at uploads that nobody uses."""
        if self.served.look():
            self._tell()
        self.uploads.sweep()

    def crews(self) -> dict[str, Crew]:
        """All threads that work for requests, by name."""
        crews = {"asking": self.asking, "searching": self.searching, "showing": self.showing}
        return crews | {"preview": self.previews.crew}

    def close(self) -> None:
        """Give up what is under way, and remove what was only for this server."""
        self._stop.set()
        for crew in self.crews().values():
            crew.close()
        self.indexing.close()
        if self._thread.is_alive():
            self._thread.join()
        self.served.close()
        self.uploads.close()

    def _watch_figures(self) -> None:
        """Figures that are true at the moment when they are read."""
        self.metrics.uploads.set_function(lambda: self.uploads.num_kept)
        self.metrics.upload_bytes.set_function(lambda: self.uploads.num_bytes)
        self.metrics.ready.set_function(lambda: self.served.is_ready)
        for name, crew in self.crews().items():
            self.metrics.tasks.labels(name).set_function(partial(getattr, crew, "num_tasks"))

    def _look_after(self) -> None:
        while True:
            try:
                self.look()
            except Exception:  # noqa: BLE001  (whatever it was, the next look may be better)
                self._log.exception("looking after the library failed")
            if self._stop.wait(LOOK_EVERY_S):
                return

    def _tell(self) -> None:
        """Say what has become of the library, and count it."""
        state = self.served.state
        if state.problem is not None:
            told = {"message": state.problem.message, "hint": state.problem.hint}
            self._log.warning("library cannot be used", extra={"fields": told})
            return
        self._log.info("library ready", extra={"fields": {"generation": state.generation}})
        try:
            status = self.served.library().catalog.status()
        except (AvsearchError, Refused):  # the next look will tell
            return
        for kind, count in status.media.items():
            self.metrics.media.labels(kind).set(count)
        for modality, count in status.moments.items():
            self.metrics.moments.labels(modality).set(count)


def services_of(request: Request) -> Services:
    """What a route works with."""
    services = request.app.state.services
    assert isinstance(services, Services)
    return services


def require_token(request: Request) -> None:
    """Let only those change anything who know the token.

    Raises:
        Refused: the request does not know it, or the server has none.
    """
    if not services_of(request).settings.token:
        raise Refused(
            403, "This server has no token, so that nothing can be changed here.",
            hint=f"Start it with one in {TOKEN_VARIABLE}, or use the command line.",
        )  # fmt: skip
    if not request.scope.get(HAS_TOKEN, False):
        headers = {"WWW-Authenticate": 'Bearer realm="avsearch"'}
        raise Refused(
            401, "This needs the token.", hint="Send it as `Authorization: Bearer TOKEN`.", headers=headers
        )


Use = Annotated[Services, Depends(services_of)]


def _crew(name: str, limits: Limits, num_threads: int, limit_s: float) -> Crew:
    return Crew(name, num_threads=num_threads, num_waiting=limits.num_waiting, limit_s=limit_s)
