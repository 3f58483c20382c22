import json
from dataclasses import replace

import numpy as np
import pytest

from avsearch.errors import UsageError
from avsearch.moments import Silent
from tests.media.clips import ffmpeg, write_wav
from tests.trainer.runs import losses
from trainer.audit import audit

FRAMES, RATE = 60, 25


def make_ticking(path, rng):
    """One colour, and noise with a click at each frame time: it shows where a second was cut, and nothing else."""
    frames = np.full((FRAMES, 64, 64, 3), rng.integers(0, 256, 3), np.uint8)
    sound = 0.01 * rng.normal(size=FRAMES * 48_000 // RATE)
    for at in range(0, sound.size, 48_000 // RATE):
        sound[at : at + 240] += 0.5 * rng.normal(size=sound[at : at + 240].size)
    wav = write_wav(path.with_suffix(".wav"), np.clip(sound, -1, 1))
    video = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "64x64", "-r", str(RATE), "-i", "pipe:0"]
    ffmpeg(*video, "-i", wav, "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "pcm_s16le",
           path, stdin=frames.tobytes())  # fmt: skip
    wav.unlink()


@pytest.fixture(scope="module")
def ticking(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("ticking"), np.random.default_rng(0)
    for number in range(24):
        make_ticking(folder / f"{number}.mkv", rng)
    rows = [f"{number}.mkv,noise,{'train' if number < 16 else 'val'}" for number in range(24)]
    (folder / "clips.csv").write_text("\n".join(["path,labels,split", *rows]) + "\n")
    return folder


@pytest.mark.slow
def test_only_the_network_without_the_remedy_learns_the_cut(job, tiny_config, ticking, tmp_path):
    config = tiny_config("ave", batch_size=16, learning_rate=5e-4, widths=(8, 16, 16, 32))
    changes = {"config": config, "paths": [ticking], "manifest": ticking / "clips.csv", "cache": None, "steps": 200}
    found = audit(replace(job, **changes), Silent())
    assert found.off_grid.avc_off_grid > 0.8
    assert found.off_grid.avc_on_grid < 0.6
    assert found.on_grid.avc_off_grid < 0.65
    assert found.on_grid.avc_on_grid < 0.6


@pytest.mark.slow
def test_both_networks_take_as_many_steps_from_the_same_clips(job):
    found = audit(job, Silent())
    assert (found.on_grid.negatives_on_grid, found.off_grid.negatives_on_grid) == (True, False)
    assert found.on_grid.steps == found.off_grid.steps == 4
    assert found.on_grid.weights == job.out / "on-grid" / "encoder.safetensors"
    first, second = losses(job.out / "on-grid"), losses(job.out / "off-grid")
    assert list(first) == list(second)
    assert first != second
    for one in (found.on_grid, found.off_grid):
        assert all(0 <= figure <= 1 for figure in (one.avc_on_grid, one.avc_off_grid, one.ndcg))
    found.write(job.out / "audit.json")
    told = json.loads((job.out / "audit.json").read_text())["networks"]
    assert [one["avc_on_grid"] for one in told] == [found.on_grid.avc_on_grid, found.off_grid.avc_on_grid]


@pytest.mark.slow
def test_an_audit_that_was_stopped_goes_on(job):
    found = audit(job, Silent())
    again = audit(replace(job, resume=True), Silent())
    assert (again.on_grid, again.off_grid) == (found.on_grid, found.off_grid)


def test_a_recipe_without_negatives_of_its_own_is_refused(job, tiny_config):
    with pytest.raises(UsageError, match="ave-nce") as caught:
        audit(replace(job, config=tiny_config("ave-nce")), Silent())
    assert "avol" in caught.value.hint
    assert not job.out.exists()
