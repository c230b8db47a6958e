"""Answers that all who look share: computed once, by one, and only when somebody asks."""

from __future__ import annotations

import threading

import pytest

from servicemanager.errors import DatabaseUnreachable
from servicemanager.service.desk.shared import Shared


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


class Kitchen:
    """Makes numbered answers, and can be held up."""

    def __init__(self):
        self.made = 0
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.go_on.set()
        self.failure = None

    def __call__(self):
        self.begun.set()
        assert self.go_on.wait(10)
        self.made += 1
        if self.failure:
            raise self.failure
        return self.made


def test_nothing_is_made_before_somebody_asks_and_then_it_is_shared_while_fresh():
    kitchen, clock = Kitchen(), Clock()
    shared = Shared(kitchen, fresh=2.0, clock=clock)
    assert kitchen.made == 0
    assert [shared.get(), shared.get()] == [1, 1]
    clock.now = 1.9
    assert shared.get() == 1
    clock.now = 2.0
    assert shared.get() == 2
    shared.forget()
    assert shared.get() == 3


def test_who_asks_by_the_way_takes_an_older_answer_but_no_old_failure():
    kitchen, clock = Kitchen(), Clock()
    shared = Shared(kitchen, fresh=2.0, clock=clock)
    assert shared.get(age=10.0) == 1
    clock.now = 9.9
    assert shared.get(age=10.0) == 1
    clock.now = 10.0
    assert shared.get(age=10.0) == 2
    kitchen.failure = DatabaseUnreachable("It is away.")
    clock.now = 20.0
    with pytest.raises(DatabaseUnreachable):
        shared.get(age=10.0)
    kitchen.failure, clock.now = None, 22.0
    assert shared.get(age=10.0) == 4


def test_of_many_who_ask_at_once_one_computes_and_all_get_it():
    kitchen = Kitchen()
    kitchen.go_on.clear()
    shared, found = Shared(kitchen, fresh=60.0), []
    threads = [threading.Thread(target=lambda: found.append(shared.get())) for _ in range(20)]
    for thread in threads:
        thread.start()
    assert kitchen.begun.wait(10)
    kitchen.go_on.set()
    for thread in threads:
        thread.join()
    assert found == [1] * 20


def test_whoever_has_an_answer_that_will_do_does_not_wait_for_a_newer_one():
    kitchen, clock = Kitchen(), Clock()
    shared = Shared(kitchen, fresh=2.0, usable=10.0, clock=clock)
    shared.get()
    clock.now = 3.0
    kitchen.begun.clear()
    kitchen.go_on.clear()
    slow = threading.Thread(target=shared.get)
    slow.start()
    assert kitchen.begun.wait(10)
    assert shared.get() == 1
    kitchen.go_on.set()
    slow.join()
    assert shared.get() == 2


def test_a_failure_is_shared_like_an_answer_and_tried_again_later():
    kitchen, clock = Kitchen(), Clock()
    shared = Shared(kitchen, fresh=2.0, usable=10.0, clock=clock)
    kitchen.failure = DatabaseUnreachable("away")
    for _ in range(3):
        with pytest.raises(DatabaseUnreachable, match="away"):
            shared.get()
    assert kitchen.made == 1
    kitchen.failure, clock.now = None, 2.0
    assert shared.get() == 2
