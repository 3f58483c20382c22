"""Threads that search: order, errors, how far ahead they go, and what they leave of others' settings."""

import os
import threading

import pytest
import torch

from avsearch.vectors.workers import each


def test_results_come_in_the_order_of_the_tasks():
    assert list(each(lambda it: it * it, range(100))) == [it * it for it in range(100)]


def test_only_a_few_tasks_are_taken_in_advance():
    """A part may hold a copy of many rows."""
    taken = []

    def tasks():
        for number in range(1000):
            taken.append(number)
            yield number

    results = each(lambda it: it, tasks())
    assert next(results) == 0
    assert len(taken) <= len(os.sched_getaffinity(0)) + 2


def test_an_error_in_a_task_is_the_callers():
    with pytest.raises(ZeroDivisionError):
        list(each(lambda it: 1 // it, [1, 0, 1]))


def test_each_computes_on_one_core_and_other_threads_as_before():
    before = torch.get_num_threads()
    assert set(each(lambda _: torch.get_num_threads(), range(50))) == {1}
    assert torch.get_num_threads() == before
    told = []
    other = threading.Thread(target=lambda: told.append(torch.get_num_threads()))
    other.start()
    other.join()
    assert told == [before]


def test_a_forked_child_has_workers_of_its_own():
    list(each(lambda it: it, range(3)))
    child = os.fork()
    if not child:
        os._exit(0 if list(each(lambda it: it, range(3))) == [0, 1, 2] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
