"""Which build of faiss is in use, whether it fits the machine, and the command that installs the one that does."""

from __future__ import annotations

from dataclasses import asdict

from avsearch.doctor.check import Check, State
from avsearch.doctor.requirements import numbers
from avsearch.errors import AvsearchError
from avsearch.installing import extra_command, pip
from avsearch.vectors.backend import faiss_wheels
from avsearch.vectors.gpu.cards import FaissBuild, faiss_build

CUVS_TORCH = "2.15"  # faiss-gpu-cuvs 1.15.1 brings libraries of CUDA 13.2, as torch does from this version on


def faiss_check(*, has_card: bool, torch_cuda: str | None) -> Check:
    """How faiss stands.

    Args:
        has_card: whether the driver knows a GPU.
        torch_cuda: the CUDA version that torch was built for; None for a build without.
    """
    wheels = faiss_wheels()
    right = wheel_for(has_card=has_card, torch_cuda=torch_cuda)
    command = install_command(right, wheels)
    if len(wheels) > 1:
        found = f"{' and '.join(wheels)} are installed, overwriting each other's files"
        return Check("faiss", State.BROKEN, found, install_command(right, wheels, anew=True), {"wheels": wheels})
    try:
        build = faiss_build()
    except AvsearchError as error:
        anew = bool(wheels)
        return Check(
            "faiss", State.BROKEN, error.message, install_command(right, wheels, anew=anew), {"wheels": wheels}
        )
    return _fitting(build, command, has_card=has_card)


def wheel_for(*, has_card: bool, torch_cuda: str | None) -> str:
    """The distribution that serves: its CUDA is to be that of torch, since both are loaded into one process."""
    if not has_card:
        return "faiss-cpu"
    is_13 = torch_cuda is not None and numbers(torch_cuda) >= (13,)
    return "faiss-gpu-cuvs" if is_13 else "faiss-gpu"


def install_command(wheel: str, wheels: dict[str, str], *, anew: bool = False) -> str:
    """The command that leaves one wheel alone, where others of the same module may be.

    Args:
        wheel: the one to have.
        wheels: that are installed.
        anew: whether files of it may be damaged, so that it is to go first too.
    """
    extra = {"faiss-cpu": "cpu", "faiss-gpu": "gpu", "faiss-gpu-cuvs": "cuvs"}[wheel]
    others = [name for name in wheels if anew or name != wheel]
    before = f"{pip('uninstall')} --yes {' '.join(others)} && " if others else ""
    with_torch = f" 'torch>={CUVS_TORCH}'" if wheel == "faiss-gpu-cuvs" else ""
    return f"{before}{extra_command(extra)}{with_torch}"


def _fitting(build: FaissBuild, command: str, *, has_card: bool) -> Check:
    """A faiss that loads, beside what the machine has."""
    names = ", ".join(f"{name} {version}" for name, version in build.wheels.items()) or f"faiss {build.version}"
    compiled = "cuVS and CUDA" if build.has_cuvs else "CUDA" if build.has_gpu else "the CPU"
    found = f"{names}, built for {compiled} ({build.options or 'options unknown'})"
    details = asdict(build)
    if has_card and not build.has_gpu:
        return Check("faiss", State.OPTIONAL, f"{found}: it leaves the GPU alone", command, details)
    if has_card and not build.num_gpus:
        hint = f"Renew the NVIDIA driver, or {command}"
        return Check("faiss", State.OPTIONAL, f"{found}, and sees no GPU", hint, details)
    if build.has_gpu:
        found += f", sees {build.num_gpus} GPU{'' if build.num_gpus == 1 else 's'}"
    return Check("faiss", State.OK, found, details=details)
