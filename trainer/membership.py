"""Which media a run trains and validates with, written down when it begins, so that it can go on without some."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from trainer.cache import CachedClip
from trainer.checkpoint import has_begun
from trainer.config import TrainJob
from trainer.runlog import replace_text
from trainer.sources import hold_out


@dataclass(frozen=True)
class Membership:
    """The content hashes of both splits."""

    train: frozenset[str]
    held_out: frozenset[str]

    @classmethod
    def of(cls, train: Sequence[CachedClip], held_out: Sequence[CachedClip]) -> Membership:
        return cls(_hashes(train), _hashes(held_out))

    def write(self, job: TrainJob) -> None:
        """Beside the checkpoints of a run; written aside first."""
        path = _path(job)
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_text(path, json.dumps({"train": sorted(self.train), "held_out": sorted(self.held_out)}))


def read_membership(job: TrainJob) -> Membership | None:
    """Of the run that `job` goes on with; None where there is none."""
    with suppress(OSError, ValueError, KeyError):
        found = json.loads(_path(job).read_text())
        return Membership(frozenset(found["train"]), frozenset(found["held_out"]))
    return None


def split(clips: Sequence[CachedClip], job: TrainJob) -> tuple[list[CachedClip], list[CachedClip]]:
    """(train, held out) where no manifest says: as when the run was begun, so that nothing changes sides."""
    before = read_membership(job) if job.resume and has_begun(job) else None
    if before is None or not before.held_out & _hashes(clips):
        return hold_out(clips)
    train = [clip for clip in clips if clip.content_hash not in before.held_out]
    return train, [clip for clip in clips if clip.content_hash in before.held_out]


def _hashes(clips: Sequence[CachedClip]) -> frozenset[str]:
    return frozenset(clip.content_hash for clip in clips)


def _path(job: TrainJob) -> Path:
    return job.out / "checkpoints" / "media.json"
