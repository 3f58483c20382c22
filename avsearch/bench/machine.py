"""What a figure was measured on."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import torch

from avsearch.cores import num_cores
from avsearch.media.measured import ffmpeg_version
from avsearch.vectors.backend import faiss_wheels

PACKAGES = ("avsearch", "torch", "numpy")
_MODEL_NAME = re.compile(r"^model name\s*:\s*(.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Machine:
    """A computer and what runs on it.

    Attributes:
        cpu: model of the processor.
        num_cores: that this process may use.
        memory_bytes: of the whole machine.
        gpu: name of the first one that torch sees; empty without.
        system: operating system and kernel.
        versions: of Python, ffmpeg and the packages that matter, by name.
        load: how many processes wanted to run, on average over the minute before: figures want it near 0.
    """

    cpu: str
    num_cores: int
    memory_bytes: int
    gpu: str
    system: str
    versions: Mapping[str, str]
    load: float

    def __post_init__(self) -> None:
        if self.num_cores < 1 or self.memory_bytes < 1 or self.load < 0:
            raise ValueError("a machine has cores and memory, and no negative load")

    def __str__(self) -> str:
        gpu = f", {self.gpu}" if self.gpu else ""
        return f"{self.num_cores} x {self.cpu}, {self.memory_bytes / 1e9:.0f} GB{gpu}; {self.system}"


def this_machine() -> Machine:
    """Ask the machine about itself.

    Raises:
        MediaError: ffmpeg is missing.
    """
    packages = {name: version(name) for name in PACKAGES} | faiss_wheels()
    return Machine(
        cpu=_cpu_model(),
        num_cores=num_cores(),
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        gpu=torch.cuda.get_device_name(0) if torch.cuda.is_available() else "",
        system=f"{_distribution()}, Linux {platform.release()}",
        versions={"python": platform.python_version(), "ffmpeg": ffmpeg_version(), **packages},
        load=round(os.getloadavg()[0], 2),
    )


def _cpu_model() -> str:
    found = _MODEL_NAME.search(Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace"))
    return found[1].strip() if found else platform.machine()


def _distribution() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        return "unknown system"
