"""A tiny config, tiny real clips, and cached clips made without ffmpeg."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.media.clips import make_clip
from tests.models import tiny
from trainer.cache import CachedClip
from trainer.config import TrainConfig, TrainJob
from trainer.moments import ClipArrays
from trainer.recipes import recipe
from trainer.shards import ShardWriter

NUM_CLIPS = 8


@pytest.fixture(scope="session")
def tiny_config() -> Callable[..., TrainConfig]:
    """A recipe on the narrowest towers and the smallest input; keyword arguments change more of it."""

    def make(name: str = "ave", **changes: object) -> TrainConfig:
        usual = recipe(name, "small")
        seen = {"num_frames": usual.front_end.num_frames, "flow": usual.front_end.flow}
        small = {"widths": tiny.WIDTHS, "front_end": replace(tiny.FRONT_END, **seen), "batch_size": 4}
        return replace(usual, **{**small, **changes})

    return make


@pytest.fixture(scope="session")
def clips_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight videos of two seconds; each has another number of frames, so their contents differ."""
    folder = tmp_path_factory.mktemp("clips")
    for number in range(NUM_CLIPS):
        make_clip(folder / f"{number}.mp4", frames=50 + number, seconds=2.2, size=(64, 64))
    for wav in folder.glob("*.wav"):
        wav.unlink()
    return folder


@pytest.fixture
def cached_clip(tmp_path: Path) -> Callable[..., CachedClip]:
    """Write a clip of the cache from arrays, as `trainer.records` documents them."""

    def make(name: str, frames: np.ndarray, *, frame_us, sound, start_us=0, times_us=None, flow=None) -> CachedClip:
        times = np.asarray(frame_us, np.int64)
        kept = ClipArrays(
            frames=np.ascontiguousarray(frames),
            frame_us=times,
            times_us=np.asarray(times_us if times_us is not None else times, np.int64),
            sound=np.asarray(sound, np.int16),
            start_us=start_us,
            flow=flow,
        )
        with closing(ShardWriter(tmp_path, {})) as writer:
            return CachedClip(writer.add(name, 0, kept), f"{name}.mp4", name)

    return make


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """So that sums are added up in one order, and small networks do not wait for threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Filled by whichever test trains first."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def job(
    tmp_path: Path, clips_folder: Path, shared_cache: Path, tiny_config: Callable[..., TrainConfig]
) -> TrainJob:
    """Four steps of `ave` on the eight clips."""
    out = tmp_path / "run"
    return TrainJob(config=tiny_config(), paths=[clips_folder], out=out, cache=shared_cache, steps=4, device="cpu")
