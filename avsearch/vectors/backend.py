"""The one place that imports faiss, after torch, and tells apart the wheels that all own its name."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cache
from importlib import metadata
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from avsearch.errors import LibraryError
from avsearch.installing import extra_hint

WHEELS = ("faiss-cpu", "faiss-gpu", "faiss-gpu-cuvs", "faiss-gpu-cu11", "faiss-gpu-cu12", "faiss-cuda", "faiss")
"""Distributions that bring the module `faiss`; two of them overwrite each other's files."""


@cache
def load_torch() -> ModuleType:
    """Import torch, and have it say once, unheard, that it may be used to write to what is read-only."""
    torch = importlib.import_module("torch")
    read_only = np.zeros(1)
    read_only.flags.writeable = False
    with warnings.catch_warnings(action="ignore"):
        torch.from_numpy(read_only)
    return torch


@cache
def load_faiss() -> ModuleType:
    """Import faiss, after torch: both bring an OpenMP, and a CUDA, and only this order works everywhere.

    Raises:
        LibraryError: it is not installed, or broken.
    """
    with suppress(ImportError, OSError):  # whoever needs torch will say so; faiss works without
        load_torch()
    try:
        return importlib.import_module("faiss")
    except ModuleNotFoundError as error:
        if error.name == "faiss":
            raise LibraryError(
                "Searching needs faiss, which is not installed.",
                hint=extra_hint("cpu", ", or `'avsearch[gpu]'` with an NVIDIA GPU"),
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


def all_products(queries: NDArray[np.float32], rows: NDArray[np.floating]) -> NDArray[np.float32]:
    """(Q, N) float32 inner products of (Q, D) queries and (N, D) float16 or float32 rows, in float32 arithmetic."""
    return next(products_of_pieces(queries, [rows]))


def products_of_pieces(
    queries: NDArray[np.float32], pieces: Sequence[NDArray[np.floating]]
) -> Iterator[NDArray[np.float32]]:
    """(Q, n) products with each piece of rows, the first of which is the longest; good until the next is asked for.

    torch converts float16 ten times as fast as numpy, and multiplies in the calling thread alone where it is told
    to. Pieces are copied in any case: where they fit into the cache, multiplying is faster than from memory.
    """
    torch = load_torch()
    asked = torch.from_numpy(queries)
    near = torch.empty(pieces[0].shape, dtype=torch.float32)
    products = torch.empty((len(queries), len(near)), dtype=torch.float32)
    for piece in pieces:
        some = near[: len(piece)].copy_(torch.from_numpy(piece))
        found = products if len(piece) == len(near) else torch.empty((len(queries), len(piece)))
        yield torch.mm(asked, some.T, out=found).numpy()


def multiplies_exactly() -> bool:
    """Whether torch multiplies float32 as such; it may have been allowed to be rougher."""
    return bool(load_torch().get_float32_matmul_precision() == "highest")


def limit_threads(num_threads: int) -> None:
    """How many threads share one search, in all of this process from now on.

    Raises:
        LibraryError: faiss is not installed.
    """
    load_faiss().omp_set_num_threads(num_threads)


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
