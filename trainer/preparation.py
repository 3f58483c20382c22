"""What a run needs before its first step: clips of both splits, and the front end measured on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from avsearch import features
from avsearch.device import choose_device
from avsearch.errors import TrainingError, unwritable
from avsearch.front_end import FrontEnd
from avsearch.moments import Failed, Progress
from trainer.batches import ClipSource, Pairs, PinnedClips
from trainer.cache import CachedClip, fill_cache
from trainer.config import TrainConfig, TrainJob
from trainer.dataset import Clips, evenly_chosen, middle_seconds, validation_pairs
from trainer.membership import split
from trainer.memory import is_out_of_memory
from trainer.resident import ResidentClips
from trainer.sources import find_sources, without_training_media

_PAIRS_PER_VALIDATION_CLIP = 4
_MOST_VALIDATION_CLIPS = 256
_FEWEST_VALIDATION_CLIPS = 16
_VALIDATION_BYTES = 512 << 20
_STATISTICS_CLIPS = 64
_RESIDENT_PART = 0.4  # of the free memory of a GPU, that clips may take; joining them takes as much again


@dataclass(frozen=True)
class Run:
    """All that stays the same during the steps; batches are made of `source`, which holds the clips of `train`."""

    job: TrainJob
    config: TrainConfig
    device: torch.device
    train: Clips
    source: ClipSource
    val: Clips
    held_out: Pairs


def prepare(job: TrainJob, progress: Progress) -> tuple[Run, list[Failed]]:
    """Files -> cache -> clips of each split, and the front end measured on the training sounds."""
    sources = find_sources(job.paths, job.manifest)
    _make_folder(job.out)
    cache = job.cache or job.out / "cache"
    front_end = job.config.front_end
    clips, failures = fill_cache(sources.train, cache, front_end, progress)
    failures = [*sources.failures, *failures]
    if sources.val is None:
        train_clips, val_clips = split(clips, job)
    else:
        train_clips = clips
        val_clips, more = fill_cache(sources.val, cache, front_end, progress)
        val_clips, both = without_training_media(val_clips, train_clips)
        failures += more + both
    train = _clips(train_clips, failures)
    val = _clips(evenly_chosen(val_clips, _num_held_out(front_end)), failures)
    config = replace(job.config, front_end=_measured(train, job.config))
    device = choose_device(job.device)
    source = _source(train, config.front_end, device)
    return Run(job, config, device, train, source, val, held_out(val, config.front_end)), failures


def _source(train: Clips, front_end: FrontEnd, device: torch.device) -> ClipSource:
    """The clips in the memory of a GPU, where they leave enough of it to training, else in the cache."""
    if device.type != "cuda":
        return train
    free_bytes, _ = torch.cuda.mem_get_info(device)
    fits = sum(clip.record.num_bytes for clip in train.clips) <= _RESIDENT_PART * free_bytes
    if front_end.num_frames > 1 or not fits:
        return PinnedClips(train)
    try:
        return ResidentClips.of((train.read(number) for number in range(len(train.clips))), train.media, device)
    except RuntimeError as error:  # somebody else has taken what was free
        if not is_out_of_memory(error):
            raise
        torch.cuda.empty_cache()
        return PinnedClips(train)


def _make_folder(out: Path) -> None:
    """The folder of the run, once there is something to train on."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(TrainingError, out, error.strerror) from error


def held_out(val: Clips, front_end: FrontEnd, *, on_grid: bool = True) -> Pairs:
    """The pairs that validate, see `validation_pairs`."""
    return validation_pairs(val, front_end, pairs_per_clip=_PAIRS_PER_VALIDATION_CLIP, on_grid=on_grid)


def _num_held_out(front_end: FrontEnd) -> int:
    """How many clips validate: all their pictures are in memory at once, and those of many frames are large."""
    frames = front_end.num_frames if not front_end.flow else front_end.num_frames * 2 // 3 + 1
    clip_bytes = _PAIRS_PER_VALIDATION_CLIP * frames * 3 * front_end.image_side**2
    return min(_MOST_VALIDATION_CLIPS, max(_VALIDATION_BYTES // clip_bytes, _FEWEST_VALIDATION_CLIPS))


def _clips(found: Sequence[CachedClip], failures: Sequence[Failed]) -> Clips:
    clips = Clips.of(found)
    if clips.num_media < 2:
        reasons = f" {failures[0].path} was left out: {failures[0].reason}" if failures else ""
        raise TrainingError(
            f"Only {clips.num_media} usable videos to train or validate with.{reasons}",
            hint="Training needs at least four videos of a second or more, with picture and sound.",
        )
    return clips


def _measured(train: Clips, config: TrainConfig) -> FrontEnd:
    """The front end with the mean and standard deviation of the training sounds' log-spectrograms."""
    every = max(len(train.clips) // _STATISTICS_CLIPS, 1)
    plain = replace(config.front_end, log_mean=0.0, log_std=1.0)
    spectrogram = features.log_spectrogram(middle_seconds(train, range(0, len(train.clips), every)), plain)
    mean, deviation = round(float(spectrogram.mean()), 4), round(float(spectrogram.std()), 4)
    if deviation == 0:
        raise TrainingError("The sound of the training videos is all silence.", hint="Name videos with sound.")
    return replace(plain, log_mean=mean, log_std=deviation)
