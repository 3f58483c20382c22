"""The one place that imports faiss: after torch, and telling apart the wheels that all own its name."""

from __future__ import annotations

import importlib
from contextlib import suppress
from functools import cache
from importlib import metadata
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from avsearch.errors import LibraryError

WHEELS = ("faiss-cpu", "faiss-gpu", "faiss-gpu-cuvs", "faiss-gpu-cu11", "faiss-gpu-cu12", "faiss-cuda", "faiss")
"""Distributions that bring the module `faiss`; two of them overwrite each other's files."""


@cache
def load_faiss() -> ModuleType:
    """Import faiss, after torch: both bring an OpenMP, and a CUDA, and only this order works everywhere.

    Raises:
        LibraryError: it is not installed, or broken.
    """
    with suppress(ImportError, OSError):  # whoever needs torch will say so; faiss works without
        importlib.import_module("torch")
    try:
        return importlib.import_module("faiss")
    except ModuleNotFoundError as error:
        if error.name == "faiss":
            raise LibraryError(
                "Searching needs faiss, which is not installed.",
                hint="Run `python -m pip install 'avsearch[cpu]'`, or `'avsearch[gpu]'` with an NVIDIA GPU.",
            ) from error
        raise _broken(error) from error
    except (Exception, SystemExit) as error:  # its GPU wheels raise RuntimeError, its loader exits
        raise _broken(error) from error


def faiss_wheels() -> dict[str, str]:
    """The installed distributions that own the module `faiss`, and their versions; more than one is a fault."""
    found = {}
    for name in WHEELS:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def _broken(error: BaseException) -> LibraryError:
    """The error for a faiss that is there and cannot be imported."""
    wheels = faiss_wheels()
    why = (
        f"{', '.join(wheels)} are all installed and overwrite each other" if len(wheels) > 1 else first_line(error)
    )
    return LibraryError(
        f"faiss cannot be loaded ({why}).", hint="Run `avsearch doctor`, which says what to install."
    )


def first_line(error: BaseException) -> str:
    """What an error of faiss or CUDA says, without the places in its source."""
    lines = str(error).strip().splitlines()
    text = lines[0] if lines else type(error).__name__
    return text.rpartition(" failed: ")[2].strip().rstrip(".") or type(error).__name__


def highest_products(
    queries: NDArray[np.float32], rows: NDArray[np.float32], k: int, is_chosen: NDArray[np.bool_] | None
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """(Q, k) float32 inner products, highest first, as float32 arithmetic gives them, and (Q, k) int64 row numbers.

    Args:
        queries: (Q, D) float32, contiguous.
        rows: (N, D) float32, contiguous.
        k: at most as many as are chosen.
        is_chosen: (N,) bool, the rows that count; None for all.
    """
    faiss = load_faiss()
    scores, row = np.empty((len(queries), k), np.float32), np.empty((len(queries), k), np.int64)
    selector = []
    if is_chosen is not None:
        selector = [faiss.IDSelectorBitmap(np.packbits(is_chosen, bitorder="little"))]
    faiss.knn_inner_product(
        faiss.swig_ptr(queries),
        faiss.swig_ptr(rows),
        rows.shape[1],
        len(queries),
        len(rows),
        k,
        faiss.swig_ptr(scores),
        faiss.swig_ptr(row),
        *selector,
    )
    return scores, row
