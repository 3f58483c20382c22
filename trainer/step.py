"""One training step: tensors, loss, gradient, update. Needs torch and numpy alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from avsearch import features
from avsearch.device import fast_bfloat16
from avsearch.front_end import FrontEnd
from avsearch.models.network import Network
from trainer.config import Optimizer, TrainConfig
from trainer.distributed import Ranks, gathered, with_common_batch_norms
from trainer.memory import is_out_of_memory
from trainer.objectives import Perceived, objective

if TYPE_CHECKING:
    from collections.abc import Callable

    from trainer.batches import Batch

COMPILED_ON = {"cuda"}  # a CPU would need a C++ compiler and a long first step; that it pays was not measured
COMPILER = "inductor"


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


class Compiled(nn.Module):
    """A judge compiled by `torch.compile`; where that fails at the first batch, the judge itself from then on.

    Args:
        judge: what is compiled; it stays as it is.

    Attributes:
        refusal: why it was not compiled; empty where it was.
    """

    def __init__(self, judge: nn.Module) -> None:
        super().__init__()
        self.plain = judge
        self.compiled: Callable[..., torch.Tensor] | None = None
        self.refusal = ""

    def forward(self, *tensors: torch.Tensor | None) -> torch.Tensor:
        """As `Judge.forward`."""
        if self.refusal:
            return self._uncompiled(*tensors)
        if self.compiled is not None:
            return self.compiled(*tensors)
        compiled = self._compile()
        try:
            loss = compiled(*tensors)
        except Exception as error:
            if is_out_of_memory(error):
                raise
            cause = getattr(error, "inner_exception", error)
            self.refusal = str(cause).strip().partition("\n")[0] or type(cause).__name__
            return self._uncompiled(*tensors)
        self.compiled = compiled
        return loss

    def _compile(self) -> Callable[..., torch.Tensor]:
        compiled: Callable[..., torch.Tensor] = torch.compile(self.plain, backend=COMPILER)
        return compiled

    def _uncompiled(self, *tensors: torch.Tensor | None) -> torch.Tensor:
        loss: torch.Tensor = self.plain(*tensors)
        return loss


@dataclass(frozen=True)
class Learner:
    """All that a training step changes; `judge` computes the loss of `network` by `objective`."""

    network: Network
    objective: nn.Module
    optimizer: torch.optim.Optimizer
    judge: nn.Module


def learner(
    network: Network,
    config: TrainConfig,
    device: torch.device,
    *,
    ranks: Ranks,
    bfloat16: bool | None = None,
    compiled: bool | None = None,
) -> Learner:
    """Put a network on a device and beside it what it learns by.

    Args:
        network: with its first weights.
        config: objective and optimizer.
        device: where to train.
        ranks: the processes that train it together.
        bfloat16: whether the towers compute in it, in mixed precision; None: where the hardware does.
        compiled: whether `torch.compile` makes it faster; None: on a GPU that one process trains on.
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
    if compiled is None:
        compiled = device.type in COMPILED_ON and ranks.world == 1
    if compiled:
        judge = Compiled(judge)
    return Learner(network, goal, _optimizer(network, goal, config), judge)


def uncompiled(one: Learner) -> str:
    """Why a learner that was to be compiled is not; empty where nothing went wrong."""
    return one.judge.refusal if isinstance(one.judge, Compiled) else ""


def _optimizer(network: nn.Module, goal: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """Weights decay; what an objective learns beside them, such as a temperature, has no reason to go to zero."""
    groups: list[dict[str, Any]] = [{"params": list(network.parameters())}]
    if learnt := list(goal.parameters()):
        groups.append({"params": learnt, "weight_decay": 0.0})
    kind = torch.optim.AdamW if config.optimizer is Optimizer.ADAMW else torch.optim.Adam
    return kind(groups, lr=config.learning_rate, weight_decay=config.weight_decay)


def update(one: Learner, batch: Batch, config: TrainConfig, device: torch.device, *, learning_rate: float) -> float:
    """One step; returns the loss before it.

    Raises:
        NotANumberError: the loss or its gradient is none; nothing was changed.
    """
    loss = one.judge(*tensors(batch.to(device), config.front_end))
    one.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    value = float(loss.detach())
    for group in one.optimizer.param_groups:
        group["lr"] = learning_rate
    parameters = [*one.network.parameters(), *one.objective.parameters()]
    slope = float(nn.utils.clip_grad_norm_(parameters, config.gradient_clip))
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
