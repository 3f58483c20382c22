"""Which device computes, and what its hardware is good at. Needs torch alone."""

from __future__ import annotations

import platform

import torch

from avsearch.errors import UsageError


def choose_device(name: str) -> torch.device:
    """`auto` -> a GPU when there is one, else the CPU; other names as torch knows them.

    Raises:
        UsageError: there is no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # torch asserts that it was built for the device
        raise UsageError(f"There is no device {name} here.", hint="Use auto, cpu, cuda or cuda:N.") from error
    return device


def is_there(name: str) -> bool:
    """Whether torch has a GPU of that name, `cuda` or `cuda:N`."""
    number = name.partition(":")[2] or "0"
    return torch.cuda.is_available() and (not number.isdigit() or int(number) < torch.cuda.device_count())


def fast_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 arithmetic is in the hardware: on a CPU without it, autocast would slow things down."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    if platform.machine() == "x86_64":  # oneDNN would emulate it where only AVX-512 is there
        return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
