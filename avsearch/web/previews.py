"""Previews: made in the background, one after the other, kept in the cache, and waited for only so long."""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from avsearch.errors import AvsearchError
from avsearch.library import Library
from avsearch.media.playable import is_playable
from avsearch.media.preview import VERSION, Form, preview_form, write_preview
from avsearch.web.cache import FileCache
from avsearch.web.crew import Crew
from avsearch.web.files import readable_media
from avsearch.web.refusals import Refused
from avsearch.web.settings import Limits

LONGEST_S = 4000.0  # that a preview may take, more than what `media.preview` allows itself
_KNOWN = 10_000  # media of which it is remembered whether browsers play them


@dataclass(eq=False)
class _Making:
    """A preview that is being made."""

    task: asyncio.Task[None]
    fraction: list[float] = field(default_factory=lambda: [0.0])


class Previews:
    """Previews of media; asked from the event loop alone."""

    def __init__(self, cache: FileCache, limits: Limits) -> None:
        self._cache = cache
        self._wait_s = limits.preview_wait_s
        self._lock = threading.Lock()
        self._playable: OrderedDict[str, bool] = OrderedDict()
        self._making: dict[str, _Making] = {}
        self.crew = Crew("preview", num_threads=1, num_waiting=32, limit_s=LONGEST_S)

    def is_playable(self, library: Library, media_id: int) -> bool:
        """Whether browsers play a media's file as it is; it may be opened for that.

        Raises:
            Refused: the file is not there as it was.
            MediaError: it cannot be read.
        """
        with readable_media(library, media_id) as found:
            key = found.record.content_hash
            with self._lock:
                known = self._playable.get(key)
            if known is None:
                known = is_playable(found.path, found.record.info)
            with self._lock:
                self._playable[key] = known
                if len(self._playable) > _KNOWN:
                    self._playable.popitem(last=False)
            return known

    async def open(self, library: Library, media_id: int, content_hash: str, form: Form) -> BinaryIO:
        """A media's preview.

        Raises:
            Refused: it is still being made, or the file is not there as it was.
            AvsearchError: it cannot be made.
        """
        name = preview_name(content_hash, form)
        if (file := self._cache.find(name)) is not None:
            return file
        making = self._making.get(name) or self._begin(library, media_id, name)
        await asyncio.wait({making.task}, timeout=self._wait_s)
        if not making.task.done():
            percent = round(100 * making.fraction[0])
            raise Refused(
                503,
                f"The preview is being made: {percent} % are done.",
                hint="Try again in a moment, or open the file itself.",
                headers={"Retry-After": "5"},
            )
        making.task.result()
        file = self._cache.find(name)
        if file is None:
            raise Refused(503, "The preview did not last.", hint="Try again.", headers={"Retry-After": "5"})
        return file

    def close(self) -> None:
        """Give up what is being made."""
        self.crew.close()

    def _begin(self, library: Library, media_id: int, name: str) -> _Making:
        fraction = [0.0]

        def make(target: Path) -> None:
            with readable_media(library, media_id) as found:
                write_preview(found.path, found.record.info, target, tell=lambda it: fraction.__setitem__(0, it))

        async def run() -> None:
            try:
                await self.crew.run(None, lambda: self._cache.open(name, make).close())
            finally:
                self._making.pop(name, None)

        task = asyncio.get_running_loop().create_task(run())
        task.add_done_callback(_look_at_error)  # whoever waited has seen it; if nobody did, it is no news
        making = _Making(task, fraction)
        self._making[name] = making
        return making


def preview_name(content_hash: str, form: Form) -> str:
    """What a preview is called in the cache."""
    return f"{content_hash}-preview{VERSION}{form.suffix}"


def form_of(library: Library, media_id: int) -> tuple[str, Form]:
    """Content hash and form of a media's preview.

    Raises:
        Refused: there is no such file any more.
    """
    with readable_media(library, media_id) as found:
        return found.record.content_hash, preview_form(found.record.info)


def _look_at_error(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and isinstance(task.exception(), AvsearchError | Refused):
        return
