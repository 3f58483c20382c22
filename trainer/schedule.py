"""How the learning rate moves over a run."""

from __future__ import annotations

import math

from trainer.config import Schedule, TrainConfig

_PAPER_DECAY, _PAPER_DECAY_EPOCHS = 0.94, 16


def learning_rate(config: TrainConfig, step: int, *, steps: int, num_clips: int) -> float:
    """The learning rate of one step: x0.94 every 16 epochs (the paper), or a half cosine; after a warm-up."""
    warmup_steps = round(config.warmup * steps)
    if step < warmup_steps:
        return config.learning_rate * (step + 1) / warmup_steps
    if config.schedule is Schedule.COSINE:
        done = (step - warmup_steps) / max(steps - warmup_steps, 1)
        return config.learning_rate * (1 + math.cos(math.pi * done)) / 2
    epoch = step * config.draws(num_clips) // (num_clips * config.pairs_per_clip)
    return float(config.learning_rate * _PAPER_DECAY ** (epoch // _PAPER_DECAY_EPOCHS))
