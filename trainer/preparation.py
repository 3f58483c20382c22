"""What a run needs before its first step: clips of both splits, and the front end measured on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from avsearch import features
from avsearch.device import choose_device
from avsearch.errors import TrainingError
from avsearch.front_end import FrontEnd
from avsearch.moments import Failed, Progress
from trainer.cache import CachedClip, fill_cache
from trainer.config import TrainConfig, TrainJob
from trainer.dataset import Batch, Clips, middle_seconds, validation_pairs
from trainer.sources import find_sources, hold_out, without_training_media

_PAIRS_PER_VALIDATION_CLIP = 4
_MOST_VALIDATION_CLIPS = 256
_STATISTICS_CLIPS = 64


@dataclass(frozen=True)
class Run:
    """All that stays the same during the steps."""

    job: TrainJob
    config: TrainConfig
    device: torch.device
    train: Clips
    held_out: Batch


def prepare(job: TrainJob, progress: Progress) -> tuple[Run, list[Failed]]:
    """Files -> cache -> clips of each split, and the front end measured on the training sounds."""
    sources = find_sources(job.paths, job.manifest)
    cache = job.cache or job.out / "cache"
    front_end = job.config.front_end
    clips, failures = fill_cache(sources.train, cache, front_end, progress)
    if sources.val is None:
        train_clips, val_clips = hold_out(clips)
    else:
        train_clips = clips
        val_clips, more = fill_cache(sources.val, cache, front_end, progress)
        val_clips, both = without_training_media(val_clips, train_clips)
        failures += more + both
    train, held_out = _clips(train_clips, failures), _clips(val_clips[:_MOST_VALIDATION_CLIPS], failures)
    config = replace(job.config, front_end=_measured(train, job.config))
    pairs = validation_pairs(held_out, config.front_end, pairs_per_clip=_PAIRS_PER_VALIDATION_CLIP)
    return Run(job, config, choose_device(job.device), train, pairs), failures


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
    spectrogram = features.log_spectrogram(middle_seconds(train.clips[::every]), plain)
    mean, deviation = round(float(spectrogram.mean()), 4), round(float(spectrogram.std()), 4)
    if deviation == 0:
        raise TrainingError("The sound of the training videos is all silence.", hint="Name videos with sound.")
    return replace(plain, log_mean=mean, log_std=deviation)
