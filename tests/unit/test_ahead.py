"""Work in other threads keeps its order, its bounds and its errors."""

from __future__ import annotations

import threading
from contextlib import closing

import pytest

from servicemanager.archive.ahead import ahead, begun

THREADS = pytest.mark.parametrize("threads", [0, 1, 3])


@THREADS
def test_results_come_in_the_order_of_the_items(threads):
    with closing(ahead(lambda n: n * n, range(20), threads)) as found:
        assert [(item, wait()) for item, wait in found] == [(n, n * n) for n in range(20)]


@THREADS
def test_what_was_raised_is_raised_where_its_result_is_asked_for(threads):
    with closing(ahead(lambda n: 1 // n, [1, 0, 1], threads)) as found:
        waits = [wait for _, wait in found]
    assert waits[0]() == waits[2]() == 1
    with pytest.raises(ZeroDivisionError):
        waits[1]()


@THREADS
def test_no_more_is_taken_than_threads_can_work_on(threads):
    taken = []

    def items():
        for n in range(20):
            taken.append(n)
            yield n

    with closing(ahead(lambda n: n, items(), threads)) as found:
        for item, _ in found:
            assert len(taken) <= item + 1 + threads


def test_closing_waits_for_what_was_begun():
    begun, ended = threading.Event(), []

    def work(n):
        begun.set()
        ended.append(n)

    with closing(ahead(work, range(9), 1)) as found:
        next(found)
        assert begun.wait(9)
    assert len(ended) in {1, 2}
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ahead")]


def test_what_was_begun_is_under_way_before_anybody_waits_for_it():
    started, go_on = threading.Event(), threading.Event()

    def work() -> str:
        started.set()
        assert go_on.wait(10)
        return "done"

    wait = begun(work)
    assert started.wait(10)
    go_on.set()
    assert wait() == wait() == "done"


def test_what_was_raised_in_what_was_begun_is_raised_where_its_result_is_asked_for_and_nowhere_else():
    waits = [begun(lambda n=n: 1 // n) for n in (1, 0)]
    assert waits[0]() == 1
    with pytest.raises(ZeroDivisionError):
        waits[1]()
