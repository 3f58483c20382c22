"""One training step: tensors, loss, gradient, update. Needs torch and numpy alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from avsearch import features
from avsearch.device import fast_bfloat16
from avsearch.errors import TrainingError
from avsearch.front_end import FrontEnd
from avsearch.models.network import Network
from trainer.config import Optimizer, TrainConfig
from trainer.distributed import Ranks, gathered, with_common_batch_norms
from trainer.objectives import Perceived, objective

if TYPE_CHECKING:
    from trainer.batches import Batch


class Judge(nn.Module):
    """Network and objective in one: a batch's tensors in, its loss out."""

    def __init__(self, network: Network, goal: nn.Module, *, bfloat16: bool) -> None:
        super().__init__()
        self.network = network
        self.goal = goal
        self.in_bfloat16 = bfloat16

    def forward(
        self,
        frames: torch.Tensor,
        spectrograms: torch.Tensor,
        media: torch.Tensor,
        partner: torch.Tensor,
        elsewhere: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """The rows of this rank (B, ...) -> the loss of the whole batch.

        Args:
            frames: as `features.image_tensor` makes them.
            spectrograms: (B, 1, rows, columns) of the true seconds.
            media: (B,) int64.
            partner: (B,) int64, rows of the whole batch.
            elsewhere: (B, 1, rows, columns) of negatives that are nobody's true second, or None.
        """
        with torch.autocast(frames.device.type, torch.bfloat16, enabled=self.in_bfloat16):
            seen = self.network.see(frames)
            if elsewhere is None:
                heard, other = self.network.hear(spectrograms), None
            else:  # in one batch, so that batch norms do not give away which are which
                heard, other = self.network.hear(torch.cat([spectrograms, elsewhere])).chunk(2)
        perceived = Perceived(
            gathered(seen),
            gathered(heard),
            gathered(media),
            gathered(partner),
            None if other is None else gathered(other),
        )
        loss: torch.Tensor = self.goal(self.network, perceived)
        return loss


@dataclass(frozen=True)
class Learner:
    """All that a training step changes; `judge` computes the loss of `network` by `objective`."""

    network: Network
    objective: nn.Module
    optimizer: torch.optim.Optimizer
    judge: nn.Module


def learner(
    network: Network, config: TrainConfig, device: torch.device, *, ranks: Ranks, bfloat16: bool | None = None
) -> Learner:
    """Put a network on a device and beside it what it learns by.

    Args:
        network: with its first weights.
        config: objective and optimizer.
        device: where to train.
        ranks: the processes that train it together.
        bfloat16: whether the towers compute in it, in mixed precision; None: where the hardware does.
    """
    bfloat16 = fast_bfloat16(device) if bfloat16 is None else bfloat16
    network.to(device)
    for parameter in network.parameters():
        parameter.data = features.channels_last(parameter.data)
    goal = objective(config).to(device)
    if ranks.world > 1:
        network = with_common_batch_norms(network, device)  # type: ignore[assignment]
    judge: nn.Module = Judge(network, goal, bfloat16=bfloat16)
    if ranks.world > 1:
        judge = DistributedDataParallel(judge, gradient_as_bucket_view=True)
    parameters = [*network.parameters(), *goal.parameters()]
    kind = torch.optim.AdamW if config.optimizer is Optimizer.ADAMW else torch.optim.Adam
    optimizer = kind(parameters, lr=config.learning_rate, weight_decay=config.weight_decay)
    return Learner(network, goal, optimizer, judge)


def update(one: Learner, batch: Batch, config: TrainConfig, device: torch.device, *, learning_rate: float) -> float:
    """One step; returns the loss before it.

    Raises:
        NotANumberError: the loss or its gradient is none; nothing was changed.
        TrainingError: the device's memory does not hold the batch.
    """
    try:
        loss = one.judge(*tensors(batch.to(device), config.front_end))
        one.optimizer.zero_grad(set_to_none=True)
        loss.backward()
    except RuntimeError as error:
        if not isinstance(error, torch.OutOfMemoryError) and "can't allocate memory" not in str(error):
            raise
        raise TrainingError(
            f"{device}: the memory does not hold a batch of {config.batch_size}.",
            hint=f"Try --batch-size {max(config.batch_size // 2, 2)}.",
        ) from error
    value = float(loss.detach())
    for group in one.optimizer.param_groups:
        group["lr"] = learning_rate
    slope = float(nn.utils.clip_grad_norm_(one.network.parameters(), config.gradient_clip))
    if not math.isfinite(value + slope):
        raise NotANumberError
    one.optimizer.step()
    return value


class NotANumberError(Exception):
    """A step was not taken because its loss or gradient is no number."""


@torch.no_grad()
def tensors(
    batch: Batch, front_end: FrontEnd
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor | None]:
    """A batch on its device -> frames, spectrograms, media, partner, negatives' spectrograms; see `Judge`."""
    spectrograms = _spectrograms(batch, batch.sounds, front_end)
    elsewhere = None if batch.negative_sounds is None else _spectrograms(batch, batch.negative_sounds, front_end)
    frames = features.image_tensor(batch.frames, front_end)
    if batch.picture_shake is not None:
        frames = features.channels_last(batch.picture_shake.apply(frames))
    return frames, spectrograms, batch.media, batch.partner, elsewhere


def _spectrograms(batch: Batch, sounds: torch.Tensor, front_end: FrontEnd) -> torch.Tensor:
    spectrograms = features.log_spectrogram(sounds, front_end)
    return spectrograms if batch.shake is None else batch.shake.apply(spectrograms)
