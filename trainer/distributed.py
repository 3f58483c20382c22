"""Many processes that train one network, started by torchrun: each has its rows of every batch.

Loss and gradient are those of one process with the whole batch: what the towers make of the rows is gathered, so
that each rank contrasts with the negatives of all, and batch norms measure the whole batch.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import nn
from torch.autograd.function import once_differentiable

from avsearch.errors import TrainingError

T = TypeVar("T")

_PATIENCE = timedelta(days=7)  # the first rank may decode for days; torchrun ends all when one dies


@dataclass(frozen=True)
class Ranks:
    """Which of how many processes this is; the first does what is to be done once."""

    rank: int = 0
    world: int = 1

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def share(self, batch_size: int) -> int:
        """How many rows of a batch each rank has.

        Raises:
            TrainingError: they cannot be dealt out evenly.
        """
        if batch_size % self.world:
            raise TrainingError(
                f"A batch of {batch_size} cannot be dealt out evenly to {self.world} processes.",
                hint="Give a --batch-size that is a multiple of the number of processes.",
            )
        return batch_size // self.world

    @contextmanager
    def first_alone(self) -> Iterator[None]:
        """The first rank goes through the body before the others begin it."""
        if not self.is_first:
            dist.barrier()
        yield
        if self.is_first and self.world > 1:
            dist.barrier()

    def agreed(self, value: T) -> T:
        """The first rank's value, on every rank."""
        if self.world == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0)
        return box[0]


@contextmanager
def joined(device: torch.device) -> Iterator[Ranks]:
    """Meet the other processes that torchrun has started, and part from them at the end; alone without torchrun."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield Ranks()
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=_PATIENCE)
    try:
        yield Ranks(dist.get_rank(), world)
    finally:
        gc.collect()  # networks in cycles keep gloo's threads alive beyond the end, which aborts the process
        dist.destroy_process_group()


def device_of_rank(name: str) -> str:
    """`auto` and `cuda` -> the GPU that torchrun means for this process, where there are several processes."""
    local = os.environ.get("LOCAL_RANK")
    if local is None or name not in {"auto", "cuda"} or not torch.cuda.is_available():
        return name
    return f"cuda:{local}"


def gathered(tensor: torch.Tensor) -> torch.Tensor:
    """(B, ...) of each rank -> (world * B, ...) of all, in the order of ranks; gradients find their way back."""
    if not dist.is_initialized():
        return tensor
    whole: torch.Tensor = _Gather.apply(tensor.contiguous())  # type: ignore[no-untyped-call]
    return whole


def with_common_batch_norms(network: nn.Module, device: torch.device) -> nn.Module:
    """Let batch norms measure the batches of all ranks together."""
    if device.type == "cuda":
        converted: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        return converted
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm2d | nn.BatchNorm3d):
                setattr(module, name, CommonBatchNorm.taking_over(child))
    return network


class CommonBatchNorm(nn.modules.batchnorm._BatchNorm):
    """A batch norm over the batches of all ranks: what `nn.SyncBatchNorm` does on GPUs, for gloo."""

    @classmethod
    def taking_over(cls, norm: nn.BatchNorm2d | nn.BatchNorm3d) -> CommonBatchNorm:
        """The same parameters and statistics."""
        common = cls(norm.num_features, norm.eps, norm.momentum)
        common._parameters, common._buffers = norm._parameters, norm._buffers
        common.training = norm.training
        return common

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """(B, C, ...) -> the same, standardised by mean and variance over all but C."""
        if not self.training:
            return super().forward(inputs)
        over = [0, *range(2, inputs.ndim)]
        shape = [1, -1, *[1] * (inputs.ndim - 2)]
        values = inputs.float()
        mean = _mean_of_ranks(values.mean(over))
        centred = values - mean.view(shape)
        variance = _mean_of_ranks(centred.square().mean(over))
        self._remember(mean.detach(), variance.detach(), inputs.numel() // inputs.shape[1] * dist.get_world_size())
        slope = self.weight * torch.rsqrt(variance + self.eps)
        return (centred * slope.view(shape) + self.bias.view(shape)).to(inputs.dtype)

    def _check_input_dim(self, input: torch.Tensor) -> None:  # noqa: A002  (torch's name)
        if input.ndim < 3:
            raise ValueError(f"expected (B, C, ...), got {tuple(input.shape)}")

    @torch.no_grad()
    def _remember(self, mean: torch.Tensor, variance: torch.Tensor, count: int) -> None:
        """Move the running statistics, the variance without the bias of `count` values."""
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * count / max(count - 1, 1), self.momentum)
        self.num_batches_tracked.add_(1)


def _mean_of_ranks(values: torch.Tensor) -> torch.Tensor:
    mean: torch.Tensor = _Mean.apply(values)  # type: ignore[no-untyped-call]
    return mean


class _Gather(torch.autograd.Function):
    """All ranks compute the same loss of all rows: a row's gradient is the sum over the ranks'."""

    @staticmethod
    def forward(ctx: object, tensor: torch.Tensor) -> torch.Tensor:  # noqa: ARG004
        parts = [torch.empty_like(tensor) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, tensor)
        return torch.cat(parts)

    @staticmethod
    @once_differentiable
    def backward(ctx: object, slope: torch.Tensor) -> torch.Tensor:  # noqa: ARG004
        slope = slope.contiguous()
        dist.all_reduce(slope)
        return slope.chunk(dist.get_world_size())[dist.get_rank()]


class _Mean(torch.autograd.Function):
    """The mean over ranks that hold equally many values."""

    @staticmethod
    def forward(ctx: object, values: torch.Tensor) -> torch.Tensor:  # noqa: ARG004
        values = values.clone()
        dist.all_reduce(values)
        return values / dist.get_world_size()

    @staticmethod
    @once_differentiable
    def backward(ctx: object, slope: torch.Tensor) -> torch.Tensor:  # noqa: ARG004
        slope = slope.contiguous().clone()
        dist.all_reduce(slope)
        return slope / dist.get_world_size()
