"""The NVIDIA GPUs of the machine, and whether the installed torch can use them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from avsearch.doctor.check import Check, State
from avsearch.errors import AvsearchError
from avsearch.installing import pip
from avsearch.media.measured import run_measured

_ASKED = ("nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader,nounits")
_TIMEOUT_S = 30.0
_GUIDE = "as https://pytorch.org/get-started/locally says for your driver"


def card_check(cards: Sequence[tuple[str, str, str]]) -> Check:
    """The GPUs of `driver_cards`."""
    details = {"cards": [{"name": name, "driver": driver, "memory_mib": memory} for name, driver, memory in cards]}
    if not cards:
        return Check("GPU", State.OK, "none that an NVIDIA driver knows; everything runs on the CPU", "", details)
    found = ", ".join(f"{name} with {memory} MiB" for name, _, memory in cards)
    return Check("GPU", State.OK, f"{found}; driver {cards[0][1]}", details=details)


def driver_cards() -> list[tuple[str, str, str]]:
    """(name, version of the driver, MiB of memory) of each GPU, as `nvidia-smi` tells; none without it."""
    try:
        done = run_measured(_ASKED, timeout_s=_TIMEOUT_S)
    except AvsearchError:
        return []
    if done.status != 0:
        return []
    rows = [
        [cell.strip() for cell in line.split(",")] for line in done.output.decode("utf-8", "replace").splitlines()
    ]
    return [(row[0], row[1], row[2]) for row in rows if len(row) == 3]


def torch_check(*, has_card: bool) -> tuple[Check, str | None]:
    """How torch stands; and the CUDA version that it was built for, None for a build without.

    Args:
        has_card: whether the driver knows a GPU.
    """
    try:
        import torch  # noqa: PLC0415  (it may be missing)
    except ModuleNotFoundError as error:
        if error.name == "torch":
            return Check("torch", State.BROKEN, "is not installed", f"{pip('install')} torch, {_GUIDE}"), None
        return _broken(error), None
    except Exception as error:  # noqa: BLE001  (a broken build fails in its own ways)
        return _broken(error), None
    cuda = getattr(torch.version, "cuda", None)
    return _built(torch, cuda, has_card=has_card), cuda


def _broken(error: Exception) -> Check:
    why = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return Check(
        "torch", State.BROKEN, f"cannot be loaded ({why})", f"{pip('install')} --force-reinstall torch, {_GUIDE}"
    )


def _built(torch: ModuleType, cuda: str | None, *, has_card: bool) -> Check:
    """How a torch that loads fits the machine."""
    details: dict[str, Any] = {"version": torch.__version__, "cuda": cuda, "devices": []}
    if cuda is None:
        if has_card:
            found = f"{torch.__version__}, built without CUDA: it leaves the GPU alone"
            return Check(
                "torch", State.OPTIONAL, found, f"{pip('install')} --force-reinstall torch, {_GUIDE}", details
            )
        return Check("torch", State.OK, f"{torch.__version__}, built for the CPU", details=details)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        is_there = torch.cuda.is_available()
    found = f"{torch.__version__}, built for CUDA {cuda}"
    if not is_there:
        why = f": {str(told[-1].message).splitlines()[0]}" if told else ""
        if not has_card:
            return Check("torch", State.OK, f"{found}; there is no GPU for it{why}", details=details)
        hint = f"Renew the NVIDIA driver, or {pip('install')} a torch for an older CUDA, {_GUIDE}"
        return Check("torch", State.OPTIONAL, f"{found}; it cannot use the GPU{why}", hint, details)
    names = [torch.cuda.get_device_name(at) for at in range(torch.cuda.device_count())]
    details["devices"] = names
    return Check("torch", State.OK, f"{found}, with {', '.join(names)}", details=details)
