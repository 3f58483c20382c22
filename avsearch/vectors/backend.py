"""The one place that imports and calls faiss."""

from __future__ import annotations

import importlib
from functools import cache
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from avsearch.errors import LibraryError


@cache
def load_faiss() -> ModuleType:
    """Import faiss, after torch: both bring an OpenMP, and only this order works everywhere.

    Raises:
        LibraryError: it is not installed.
    """
    importlib.import_module("torch")
    try:
        return importlib.import_module("faiss")
    except ModuleNotFoundError as error:
        raise LibraryError(
            "Searching needs faiss, which is not installed.",
            hint="Run `python -m pip install 'avsearch[cpu]'`, or `'avsearch[gpu]'` with an NVIDIA GPU.",
        ) from error


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
