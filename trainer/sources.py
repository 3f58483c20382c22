"""Which files train and which validate; test files are not even looked at."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from avsearch import media
from avsearch.errors import TrainingError
from avsearch.manifest import read_manifest
from avsearch.moments import Failed
from trainer.cache import CachedClip, Source
from trainer.tars import EXTENSION, TarMember, is_tar, members, tar_files

VALIDATION_PART = 10  # without a manifest one media in ten validates


@dataclass(frozen=True)
class Sources:
    """Videos by their part in training; `val` is None where a part of `train` is to be held out."""

    train: Sequence[Source]
    val: Sequence[Source] | None
    failures: Sequence[Failed] = ()


def find_sources(paths: Sequence[Path], manifest: Path | None) -> Sources:
    """The media below `paths`, in tar files too; with a manifest only those of its splits `train` and `val`.

    A row of the manifest may name a member of a tar file (`shard.tar/member`), or a whole tar file.

    Raises:
        MediaError: a path does not exist or a folder holds no media.
        ManifestError: the manifest cannot be read.
        TrainingError: the manifest names no training clip below the paths.
    """
    shards = _Shards()
    if manifest is None:
        tars = tar_files(paths)
        train: list[Source] = [*_media_files(paths, tars)]
        for tar in tars:
            train += shards.all_of(tar)
        return Sources(train=train, val=None, failures=shards.failures)
    rows = read_manifest(manifest).rows
    below = [path.resolve() for path in paths]

    def chosen(split: str) -> list[Source]:
        named = (row.path for row in rows if row.split == split)
        near = [path for path in named if any(path.resolve().is_relative_to(folder) for folder in below)]
        return [source for path in near for source in shards.named(path)]

    named = chosen("train")
    if not named:
        raise TrainingError(
            f"{manifest}: no row with split=train lies below {', '.join(map(str, paths))}.",
            hint="Name the folder that the manifest's paths lead to.",
        )
    return Sources(train=named, val=chosen("val") or None, failures=shards.failures)


class _Shards:
    """The tar files that were looked into; each is listed once."""

    def __init__(self) -> None:
        self.failures: list[Failed] = []
        self._members: dict[Path, dict[str, TarMember]] = {}

    def all_of(self, tar: Path) -> Iterable[Source]:
        return self._listed(tar).values()

    def named(self, path: Path) -> Iterable[Source]:
        """What a path of a manifest stands for: a file, a member of a shard, or a whole shard."""
        tar = next((it for it in (path, *path.parents) if it.suffix.lower() == EXTENSION and is_tar(it)), None)
        if tar is None:
            return [path]
        if tar == path:
            return self.all_of(tar)
        member = self._listed(tar).get(path.relative_to(tar).as_posix())
        if member is None:
            self.failures.append(Failed(path, "is no video in this tar file."))
        return [member] if member else []

    def _listed(self, tar: Path) -> dict[str, TarMember]:
        if tar not in self._members:
            found, failures = members(tar)
            self._members[tar] = {posixpath.normpath(member.name): member for member in found}
            self.failures += failures
        return self._members[tar]


def _media_files(paths: Sequence[Path], tars: Sequence[Path]) -> list[Path]:
    """The media that are files of their own; a folder of nothing but shards is no mistake."""
    others = [path for path in paths if not is_tar(path)]
    if tars and others:
        barren = media.barren_folders(others)
        others = [
            path
            for path in others
            if path not in barren or not any(tar.is_relative_to(path.absolute()) for tar in tars)
        ]
    return media.media_files(others) if others else []


def without_training_media(
    val: Sequence[CachedClip], train: Sequence[CachedClip]
) -> tuple[list[CachedClip], list[Failed]]:
    """The validation clips whose content is not trained on, and the files left out because theirs is."""
    trained = {clip.content_hash for clip in train}
    copies = {clip.source for clip in val if clip.content_hash in trained}
    kept = [clip for clip in val if clip.content_hash not in trained]
    return kept, [Failed(path, "is a copy of a training clip and cannot validate.") for path in sorted(copies)]


def hold_out(clips: Sequence[CachedClip]) -> tuple[list[CachedClip], list[CachedClip]]:
    """Split clips into (train, val) by media: the tenth with the smallest content hashes, two at least."""
    hashes = sorted({clip.content_hash for clip in clips})
    held_out = set(hashes[: max(len(hashes) // VALIDATION_PART, 2)])
    train = [clip for clip in clips if clip.content_hash not in held_out]
    return train, [clip for clip in clips if clip.content_hash in held_out]
