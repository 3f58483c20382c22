"""The one place that imports faiss."""

from __future__ import annotations

import importlib
from functools import cache
from types import ModuleType

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
