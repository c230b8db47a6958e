"""Rows arrive between any two steps of an export: new ones, and copies of purged ones. None is lost or doubled."""

from __future__ import annotations

from contextlib import suppress
from itertools import count

import pytest

from faults.conftest import late, readings
from servicemanager.errors import DatabaseBusy
from support.faults import Step, Steps
from support.faults_export import Export
from support.faults_world import World

#: Where rows can arrive makes a difference to the database only; where copies are put, to the store.
ON_ALL = pytest.mark.parametrize(
    "empty_world", ["sqlite, folder", "mariadb, folder", "sqlite, s3", "mariadb, s3"], indirect=True
)


def arrivals(world: World, number: int) -> list:
    """For each day one that nobody has seen, and one that equals a row of that day."""
    place = world.place
    return [row for day in (3, 2, 1, 0) for row in (late(place, day, number), readings(place, day)[number % 20])]


def arrive(world: World, numbers=None):
    numbers = numbers or count(1)

    def deed(_: Step) -> None:
        # Where the run holds what the gateway would have to wait for, the rows arrive at another step.
        with suppress(DatabaseBusy):
            world.insert(arrivals(world, next(numbers)))

    return deed


@ON_ALL
def test_rows_that_arrive_at_any_one_step(old_world, thinned, subtests):
    steps = old_world.steps()
    old_world.expected_objects = None
    for step in thinned(steps, 20):
        with subtests.test(arrive=str(step)):
            old_world.begin()
            result = Export(old_world.place, Steps({step.number}, arrive(old_world))).run()
            assert result.problems == ()
            old_world.assert_nothing_is_lost()
            old_world.finish()
            old_world.assert_done()


@ON_ALL
def test_rows_that_arrive_all_the_time(old_world, thinned, subtests):
    steps = old_world.steps()
    old_world.expected_objects = None
    for stride in (3, 11, 37):
        with subtests.test(stride=stride):
            old_world.begin()
            numbers = range(1, 10 * len(steps), stride)
            Export(old_world.place, Steps(numbers, arrive(old_world))).run()
            old_world.assert_nothing_is_lost()
            old_world.finish()
            old_world.assert_done()
