"""Which files train and which validate; test files are not even looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from avsearch import media
from avsearch.errors import TrainingError
from avsearch.manifest import read_manifest
from avsearch.moments import Failed
from trainer.cache import CachedClip

VALIDATION_PART = 10  # without a manifest one media in ten validates


@dataclass(frozen=True)
class Sources:
    """Files by their part in training; `val` is None where a part of `train` is to be held out."""

    train: Sequence[Path]
    val: Sequence[Path] | None


def find_sources(paths: Sequence[Path], manifest: Path | None) -> Sources:
    """The media below `paths`; with a manifest only those of its splits `train` and `val`.

    Raises:
        MediaError: a path does not exist or a folder holds no media.
        ManifestError: the manifest cannot be read.
        TrainingError: the manifest names no training clip below the paths.
    """
    if manifest is None:
        return Sources(train=media.media_files(paths), val=None)
    rows = read_manifest(manifest).rows
    below = [path.resolve() for path in paths]

    def chosen(split: str) -> list[Path]:
        named = (row.path for row in rows if row.split == split)
        return [path for path in named if any(path.resolve().is_relative_to(folder) for folder in below)]

    train = chosen("train")
    if not train:
        raise TrainingError(
            f"{manifest}: no row with split=train lies below {', '.join(map(str, paths))}.",
            hint="Name the folder that the manifest's paths lead to.",
        )
    return Sources(train=train, val=chosen("val") or None)


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
