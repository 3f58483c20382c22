"""Training on clips in a device's memory, timed and compared. Needs torch and NumPy alone."""

from __future__ import annotations

import gc
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from avsearch import features
from avsearch.bench.gpu_result import GpuBenchmarkJob, GpuFigure, rate
from avsearch.bench.steps import making_s, waiting_s
from avsearch.errors import TrainingError
from avsearch.models.ave import AVENet
from trainer.batches import training_batches
from trainer.config import TrainConfig
from trainer.distributed import Ranks
from trainer.memory import enough_memory
from trainer.recipes import recipe
from trainer.resident import ResidentClips
from trainer.schedule import learning_rate
from trainer.step import Learner, learner, update

PAPER_PAIRS = 60e6
"""That L3-Net saw in two days on 16 GPUs ("Look, Listen and Learn", section 3)."""


@dataclass(frozen=True)
class TrainingBenchmark:
    """What to train on, where, and how long."""

    job: GpuBenchmarkJob
    clips: ResidentClips
    device: torch.device

    def speed(self) -> list[GpuFigure]:
        """Both recipes for search, without `torch.compile`."""
        figures: list[GpuFigure] = []
        for name in ("ave", "ave-nce"):
            batch_size, times_s = self._largest_timed(name)
            figures += [
                rate(f"{name}: training", batch_size, times_s, "pairs/s"),
                GpuFigure(f"{name}: a step", batch_size, "pairs"),
            ]
        figures.append(GpuFigure("60 M pairs by ave", PAPER_PAIRS / figures[0].value / 3600, "h"))
        figures.append(
            GpuFigure(
                "making one batch, alone",
                1000 * making_s(self.clips, self._config("ave", self.job.batch_size)),
                "ms",
            )
        )
        if self.device.type == "cuda":
            figures.append(GpuFigure("peak memory", torch.cuda.max_memory_allocated(self.device) / 1e9, "GB"))
        return figures

    def compiled_speed(self) -> list[GpuFigure]:
        """The same of `ave` after `torch.compile`, as `avsearch train` runs it on a GPU."""
        if not self.job.compiled:
            return []
        began = time.perf_counter()
        batch_size, times_s = self._largest_timed("ave", compiled=True)
        spent_s = time.perf_counter() - began - sum(times_s)
        return [
            rate("ave, compiled: training", batch_size, times_s, "pairs/s"),
            GpuFigure("compiling, about", spent_s, "s"),
        ]

    def loss_curves(self) -> list[GpuFigure]:
        """Mixed precision beside single, and single beside itself with another seed: the noise there is anyway."""
        single = self._curve(seed=0, bfloat16=False)
        mixed = self._curve(seed=0, bfloat16=True)
        other = self._curve(seed=1, bfloat16=False)
        tail = slice(-max(self.job.curve_steps // 5, 1), None)
        return [
            GpuFigure("loss at the end, single precision", float(single[tail].mean())),
            GpuFigure("loss at the end, bfloat16", float(mixed[tail].mean())),
            GpuFigure("loss at the end, single precision, other seed", float(other[tail].mean())),
            GpuFigure("between the curves of bfloat16 and single precision", float(np.abs(mixed - single).mean())),
            GpuFigure("between the curves of two seeds", float(np.abs(other - single).mean())),
        ]

    def _largest_timed(self, name: str, *, compiled: bool = False) -> tuple[int, Sequence[float]]:
        """The batch size that the memory holds, halved as often as needed, and the seconds of each timed step."""
        batch_size = self.job.batch_size
        while True:
            config = self._config(name, batch_size)
            try:
                with enough_memory(self.device, config, rows=batch_size):
                    return batch_size, self._timed_steps(config, compiled=compiled)
            except TrainingError:
                if batch_size < 4:
                    raise
            batch_size //= 2
            gc.collect()
            if self.device.type == "cuda":
                torch.cuda.empty_cache()

    def _timed_steps(self, config: TrainConfig, *, compiled: bool) -> Sequence[float]:
        """Seconds of each step, waiting for its batch included."""
        one = self._learner(config, seed=0, compiled=compiled)
        return waiting_s(one, self.clips, config, self.device, steps=self.job.steps)

    def _curve(self, *, seed: int, bfloat16: bool) -> np.ndarray:
        """The loss of each step of a short run."""
        config = self._config("ave-nce", min(self.job.curve_batch, self.job.batch_size))
        with enough_memory(self.device, config, rows=config.batch_size):
            return self._losses(config, seed=seed, bfloat16=bfloat16)

    def _losses(self, config: TrainConfig, *, seed: int, bfloat16: bool) -> np.ndarray:
        one = self._learner(config, seed=seed, bfloat16=bfloat16)
        losses = []
        steps = self.job.curve_steps
        for step, batch in enumerate(training_batches(self.clips, config, seed=seed, steps=range(steps))):
            now = learning_rate(config, step, steps=steps, num_clips=self.job.num_clips)
            losses.append(update(one, batch, config, self.device, learning_rate=now))
        return np.array(losses)

    def _config(self, name: str, batch_size: int) -> TrainConfig:
        """A recipe with as many pairs of each clip as a batch needs."""
        pairs_per_clip = -(-batch_size // self.job.num_clips)
        return recipe(name, self.job.size, batch_size=batch_size, pairs_per_clip=pairs_per_clip)

    def _learner(
        self, config: TrainConfig, *, seed: int, bfloat16: bool | None = None, compiled: bool = False
    ) -> Learner:
        """A network at its start, as `trainer.beginning` makes it."""
        torch.manual_seed(seed)
        network = AVENet(config.widths).to(self.device)
        few = replace(config, batch_size=min(config.batch_size, 64))
        first = next(training_batches(self.clips, few, seed=seed, steps=range(1))).to(self.device)
        images = features.image_tensor(first.frames, config.front_end)
        network.start(images, features.log_spectrogram(first.sounds, config.front_end))
        return learner(network, config, self.device, ranks=Ranks(), bfloat16=bfloat16, compiled=compiled)
