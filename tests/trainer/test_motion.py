"""AVE+MF and AVE+OF through ffmpeg, the cache and the loop: they learn where only motion tells the kinds apart."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from avsearch.models.networks import load_network
from avsearch.moments import Silent
from tests.media.clips import ffmpeg, write_wav
from trainer.cache import fill_cache
from trainer.dataset import Clips, validation_pairs
from trainer.loop import train
from trainer.sources import find_sources
from trainer.validation import perceive

KINDS = {"up": (-2, 400), "down": (2, 3000)}  # pixels a frame, and the pitch of a tone in Hz
SIDE, FRAMES = 64, 45
TRAIN, VAL = 24, 48  # with few held-out clips, chance alone tells some of them apart


@pytest.fixture(scope="module")
def drifting(tmp_path_factory):
    """Patterns that drift up or down, each another one, so that a single frame tells nothing."""
    folder, rng = tmp_path_factory.mktemp("drifting"), np.random.default_rng(0)
    rows = ["path,labels,split"]
    for number in range(TRAIN + VAL):
        kind = list(KINDS)[number % 2]
        speed, pitch = KINDS[kind]
        make_drift(folder / f"{number}.mp4", rng, speed, pitch)
        rows.append(f"{number}.mp4,{kind},{'train' if number < TRAIN else 'val'}")
    (folder / "clips.csv").write_text("\n".join(rows) + "\n")
    return folder


def make_drift(path, rng, speed, pitch):
    """A random pattern without seam that wanders `speed` pixels a frame, over a tone near `pitch`."""
    coarse = rng.integers(0, 256, (8, 8, 3))
    pattern = np.kron(coarse, np.ones((8, 8, 1))).astype(np.uint8)
    frames = np.stack([np.roll(pattern, speed * index, axis=0) for index in range(FRAMES)])
    time_s = np.arange(int(48_000 * FRAMES / 25)) / 48_000
    tone = 0.3 * np.sin(2 * np.pi * pitch * rng.uniform(0.9, 1.1) * time_s) + 0.02 * rng.normal(size=time_s.size)
    sound = write_wav(path.with_suffix(".wav"), tone.astype(np.float32))
    video = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{SIDE}x{SIDE}", "-r", "25", "-i", "pipe:0"]
    ffmpeg(*video, "-i", sound, "-c:v", "libx264", "-pix_fmt", "yuv420p", path, stdin=frames.tobytes())
    sound.unlink()


def told_apart(trained, folder, cache):
    """How often a held-out picture is nearer to a sound of its own kind than to one of the other."""
    network, header = load_network(trained.weights)
    found, _ = fill_cache(find_sources([folder], folder / "clips.csv").val, cache, header.front_end, Silent())
    clips = Clips.of(found)
    pairs = validation_pairs(clips, header.front_end, pairs_per_clip=3)
    kind_of = {number: int(clip.source.stem) % 2 for number, clip in zip(clips.media, found, strict=True)}
    kinds = np.array([kind_of[number] for number in pairs.media.tolist()])
    with torch.inference_mode():
        seen, heard = perceive(network, pairs, header.front_end, torch.device("cpu"))
        cosine = (network.image_vectors(seen) @ network.sound_vectors(heard).T).numpy()
    nearer = [
        (row[kinds == kind][:, None] > row[kinds != kind]).mean() for row, kind in zip(cosine, kinds, strict=True)
    ]
    return np.mean(nearer)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ave-mf", "ave-of", "ave"])
def test_motion_is_learnt_by_the_networks_that_see_it(job, tiny_config, drifting, name):
    config = tiny_config(name, batch_size=12, learning_rate=1e-3, widths=(8, 16, 16, 32))
    job = replace(job, config=config, paths=[drifting], manifest=drifting / "clips.csv", steps=200)
    told = told_apart(train(job, Silent()), drifting, job.cache)
    if name == "ave":
        assert told < 0.7
    else:
        assert told > 0.9
