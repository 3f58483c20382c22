"""Clips decoded once into shards by content hash, so that a run can go on where one stopped."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from avsearch import media
from avsearch.errors import MediaError
from avsearch.front_end import FrontEnd
from avsearch.moments import Failed, Progress
from trainer.decoding import decode, examined
from trainer.records import Record
from trainer.room import clips_bytes, free_bytes, require_room, sample, unwritable_cache
from trainer.shards import Kept, ShardWriter, load
from trainer.tars import TarMember, copied, member_hash, sweep_copies

VERSION = 3  # counts up whenever the same file gives other clips
_AHEAD = 8  # files handed out beyond those that every thread works on
Source = Path | TarMember
_NOTHING = Kept()
T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class CachedClip:
    """A stretch of one media in the cache; `name` is the path of the file, or `shard.tar/member`."""

    record: Record
    name: str  # a path as text takes a third of the memory
    content_hash: str

    @property
    def source(self) -> Path:
        return Path(self.name)


def fill_cache(
    sources: Sequence[Source], directory: Path, front_end: FrontEnd, progress: Progress
) -> tuple[list[CachedClip], list[Failed]]:
    """Decode what is not in the cache yet; returns clips and failures in the order of `sources`.

    Copies of one content give its clips once. How much disk the missing clips will take is told beforehand.

    Raises:
        TrainingError: the cache cannot be written, has too little room, or is of another kind.
    """
    directory = directory / _folder(front_end)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        kept = load(directory, _header(front_end))
    except OSError as error:
        raise unwritable_cache(directory, error.strerror) from error
    sweep_copies(directory)
    contents = _contents(sources, progress)
    missing: dict[str, Source] = {}
    for source, content in zip(sources, contents, strict=True):
        if isinstance(content, str) and not kept.get(content, _NOTHING).is_complete:
            missing.setdefault(content, source)
    reasons: dict[str, str] = {}
    if missing:
        _announce(list(missing.values()), directory, front_end, progress)
        reasons = _Filling(directory, front_end, kept).run(missing, progress)
    return _collected(sources, contents, kept, reasons)


@dataclass(frozen=True)
class _Filling:
    """The decoding of what is missing; `kept` grows by it."""

    directory: Path
    front_end: FrontEnd
    kept: dict[str, Kept]

    def run(self, missing: Mapping[str, Source], progress: Progress) -> dict[str, str]:
        """Returns why media gave nothing, by content."""
        progress.stage("decode", len(missing), "file")
        reasons: dict[str, str] = {}
        writer = ShardWriter(self.directory, _header(self.front_end))
        try:
            for content, done in _side_by_side(lambda item: self._decode(*item, writer), missing.items()):
                if isinstance(done, str):
                    reasons[content] = done
                else:
                    self.kept[content] = done
                progress.advance()
        finally:
            writer.close()
        return reasons

    def _decode(self, content: str, source: Source, writer: ShardWriter) -> tuple[str, Kept | str]:
        """All clips of one media, those that a cut-off run has left included, or the reason why not."""
        clips = dict(self.kept.get(content, _NOTHING).clips)
        try:
            with _opened(source, self.directory) as path:
                for window, arrays in decode(path, self.front_end, done=clips.keys()):
                    clips[window] = writer.add(content, window, arrays)
            writer.finish(content, sorted(clips))
        except MediaError as error:
            return content, _without_path(error, source)
        except OSError as error:
            raise unwritable_cache(self.directory, error.strerror) from error
        return content, Kept(tuple(clips.items()), tuple(sorted(clips)))


def path_of(source: Source) -> Path:
    """How a source is shown: its path, or `shard.tar/member`."""
    return source.path if isinstance(source, TarMember) else source


def _contents(sources: Sequence[Source], progress: Progress) -> list[str | Failed]:
    """The content hash of each source, or why it cannot be read."""
    progress.stage("look", len(sources), "file")
    contents: list[str | Failed] = []
    for content in _side_by_side(_content, sources):
        contents.append(content)
        progress.advance()
    return contents


def _content(source: Source) -> str | Failed:
    try:
        return member_hash(source) if isinstance(source, TarMember) else media.content_hash(source)
    except MediaError as error:
        return Failed(path_of(source), _without_path(error, source))
    except OSError as error:
        return Failed(path_of(source), f"cannot be read ({error.strerror}).")


def _announce(missing: Sequence[Source], directory: Path, front_end: FrontEnd, progress: Progress) -> None:
    def size(source: Source) -> int:
        try:
            with _opened(source, directory) as path:
                return clips_bytes(examined(path), front_end)
        except MediaError:
            return 0
        except OSError as error:
            raise unwritable_cache(directory, error.strerror) from error

    sizes = list(_side_by_side(size, sample(missing)))
    require_room(directory, sizes, len(missing), progress, free=free_bytes)


def _opened(source: Source, directory: Path) -> AbstractContextManager[Path]:
    """A path that ffmpeg can read."""
    return copied(source, directory) if isinstance(source, TarMember) else nullcontext(source)


def _collected(
    sources: Sequence[Source],
    contents: Sequence[str | Failed],
    kept: Mapping[str, Kept],
    reasons: Mapping[str, str],
) -> tuple[list[CachedClip], list[Failed]]:
    clips: list[CachedClip] = []
    failures: list[Failed] = []
    seen: set[str] = set()
    for source, content in zip(sources, contents, strict=True):
        if isinstance(content, Failed):
            failures.append(content)
        elif content in reasons:
            failures.append(Failed(path_of(source), reasons[content]))
        elif not (records := kept[content].records()):
            failures.append(Failed(path_of(source), "has no second with both picture and sound."))
        elif content not in seen:
            seen.add(content)
            name = str(path_of(source))
            clips += [CachedClip(record, name, content) for record in records]
    return clips, failures


def _side_by_side(work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """Results in the order of the items, by a thread for each core; few are handed out at a time."""
    num_threads = os.cpu_count() or 1
    waiting: deque[Future[R]] = deque()
    pool = ThreadPoolExecutor(num_threads)
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) >= num_threads * (1 + _AHEAD):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _folder(front_end: FrontEnd) -> str:
    return f"{front_end.short_side}px-{_kind(front_end)}-{VERSION}"


def _header(front_end: FrontEnd) -> dict[str, Any]:
    return {
        "format": "avsearch clips",
        "version": VERSION,
        "short_side": front_end.short_side,
        "frames": _kind(front_end),
    }


def _kind(front_end: FrontEnd) -> str:
    """Six frames a second; or all of a 40 ms grid; or these and the flow between them."""
    if front_end.flow:
        return "flow"
    return "dense" if front_end.num_frames > 1 else "sparse"


def _without_path(error: MediaError, source: Source) -> str:
    """A reason stands behind the path, and does not repeat it."""
    return str(error).removeprefix(f"{path_of(source)}: ")
