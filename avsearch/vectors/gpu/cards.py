"""Which GPUs the installed faiss can search on, what each needs beside vectors, and what to say without them."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeVar

from avsearch.errors import LibraryError
from avsearch.vectors.backend import faiss_wheels, first_line, load_faiss

TEMPORARY_BYTES = 512 << 20  # of a GPU's memory, for what a search computes; larger needs are split by faiss
MOST_FETCHED = 2048  # rows, or lists, that a GPU's selection takes at once (faiss: GPU_MAX_SELECTION_K)
DOCTOR_HINT = "Run `avsearch doctor`, which says what to install."
GPU_ERRORS = (RuntimeError, MemoryError)  # what faiss raises when memory or driver let it down
_LOG = logging.getLogger("avsearch")
_T = TypeVar("_T")


class NoGpu(LibraryError):  # noqa: N818  (it is a state of the machine, and search goes on)
    """faiss cannot search on a GPU here, or not any more."""


@dataclass(frozen=True)
class FaissBuild:
    """Which faiss is in use.

    Attributes:
        version: of the module.
        wheels: the installed distributions that own it, with their versions.
        options: that it was compiled with.
        has_gpu: whether it can use a GPU at all.
        has_cuvs: whether it has cuVS, and with it CAGRA.
        num_gpus: that it sees.
    """

    version: str
    wheels: dict[str, str]
    options: str
    has_gpu: bool
    has_cuvs: bool
    num_gpus: int


@dataclass(frozen=True, eq=False)
class Card:
    """One GPU. faiss lets one thread at a time ask it.

    Attributes:
        device: its number.
        resources: faiss's memory and streams on it.
        lock: held while it computes.
    """

    device: int
    resources: Any
    lock: threading.Lock = field(default_factory=threading.Lock)


def faiss_build() -> FaissBuild:
    """What the installed faiss is.

    Raises:
        LibraryError: it is missing or broken.
    """
    faiss = load_faiss()
    has_gpu = hasattr(faiss, "StandardGpuResources")
    num_gpus = 0
    if has_gpu:
        with suppress(*GPU_ERRORS):
            num_gpus = int(faiss.get_num_gpus())
    return FaissBuild(
        version=str(getattr(faiss, "__version__", "unknown")),
        wheels=faiss_wheels(),
        options=str(faiss.get_compile_options()).strip() if hasattr(faiss, "get_compile_options") else "",
        has_gpu=has_gpu,
        has_cuvs=hasattr(faiss, "GpuIndexCagra"),
        num_gpus=num_gpus,
    )


def cards(device: str) -> Sequence[Card]:
    """The GPUs to search on: all for `cuda`, and for `auto` where there are any; one for `cuda:N`; else none.

    Search goes on without them: where `cuda` was asked for and cannot be had, one warning says why.

    Args:
        device: as `--device`.
    """
    if device.partition(":")[0] not in ("auto", "cuda"):
        return ()
    try:
        return find_cards(device)
    except NoGpu as error:
        if device != "auto" or _has_card():
            warn_once(error)
        return ()


def find_cards(device: str) -> Sequence[Card]:
    """The GPUs of `auto`, `cuda` or `cuda:N`, at least one.

    Raises:
        NoGpu: faiss was built without, sees none, or not this one.
        LibraryError: faiss is missing or broken.
    """
    number = device.partition(":")[2]
    faiss, build = load_faiss(), faiss_build()
    if not build.has_gpu:
        names = " and ".join(f"{name} {version}" for name, version in build.wheels.items()) or "faiss"
        raise NoGpu(f"{names}: is built for the CPU only.", hint=DOCTOR_HINT)
    if not build.num_gpus:
        raise NoGpu("faiss sees no GPU.", hint=DOCTOR_HINT)
    if number and not (number.isdigit() and int(number) < build.num_gpus):
        raise NoGpu(f"faiss sees {build.num_gpus} GPUs, and no {device}.", hint="Use cuda:0, or cuda for all.")
    return [_card(faiss, it) for it in ([int(number)] if number else range(build.num_gpus))]


def warn_once(error: NoGpu) -> None:
    """Say in one line that search is on the CPU, and why; the same only once."""
    say_once(f"{error.message} Search is on the CPU. {error.hint}".strip())


@cache
def say_once(sentence: str) -> None:
    """A warning, however often there is reason for it."""
    _LOG.warning("%s", sentence)


def guarded(card: Card, work: Callable[[], _T]) -> _T:
    """Do something on a GPU, alone.

    Raises:
        NoGpu: its memory is full, or faiss or the driver failed.
    """
    with card.lock:
        try:
            return work()
        except GPU_ERRORS as error:
            raise failure(error, card.device) from error


def failure(error: Exception, device: int) -> NoGpu:
    """What a GPU's failure means for people."""
    told = str(error)
    if "out of memory" in told or isinstance(error, MemoryError) or "alloc fail" in told:
        return NoGpu(
            f"The memory of GPU {device} is full.",
            hint="End other programs that use it, or build a smaller index with `avsearch library optimize`.",
        )
    return NoGpu(f"GPU {device} cannot be searched on ({first_line(error)}).", hint=DOCTOR_HINT)


@cache
def _card(faiss: Any, device: int) -> Card:  # noqa: ANN401
    """One card in a process: what faiss keeps on it is shared by all that is searched there."""
    try:
        resources = faiss.StandardGpuResources()
        resources.setTempMemory(TEMPORARY_BYTES)
    except GPU_ERRORS as error:
        raise failure(error, device) from error
    return Card(device, resources)


def _has_card() -> bool:
    """Whether torch, where it is loaded already, sees a GPU: then `auto` too says why faiss has none."""
    torch = sys.modules.get("torch")
    return bool(torch is not None and torch.cuda.is_available())
