"""Threads that search, a core each: two that share an operation wait for each other, others do not."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import TypeVar

from avsearch.cores import num_cores
from avsearch.vectors.backend import load_faiss, load_torch

_Task = TypeVar("_Task")
_Result = TypeVar("_Result")
_MOST_WORKERS = 32  # memory cannot feed more


def each(do: Callable[[_Task], _Result], tasks: Iterable[_Task]) -> Iterator[_Result]:
    """What `do` gives for each task, in order; a few tasks more than there are workers are taken in advance."""
    pool, count = _workers()
    waiting: deque[Future[_Result]] = deque()
    for task in tasks:
        waiting.append(pool.submit(do, task))
        if len(waiting) > count:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


@cache
def _workers() -> tuple[ThreadPoolExecutor, int]:
    """The threads, and how many they are; they stay."""
    torch = load_torch()
    others = torch.get_num_threads()
    count = min(num_cores(), _MOST_WORKERS)
    pool = ThreadPoolExecutor(count, "search", initializer=_compute_alone)
    all_there = threading.Barrier(count + 1)
    for _ in range(count):
        pool.submit(all_there.wait)
    all_there.wait()
    torch.set_num_threads(others)  # of threads that are not ours
    return pool, count


def _compute_alone() -> None:
    torch = load_torch()
    torch.get_num_threads()  # a new thread takes over the others' number once: now, not later
    torch.set_num_threads(1)
    load_faiss().omp_set_num_threads(1)


os.register_at_fork(after_in_child=_workers.cache_clear)  # a child has none of the threads
