"""Rows that arrive between any two steps: new ones on old days, copies of old ones, and today's.

What is left behind by one run is the next one's; nothing is lost or doubled. Stores make no difference to it:
MariaDB meets the one, SQLite the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import pytest

from servicemanager.errors import DatabaseBusy
from support.faults import Step, Steps
from support.faults_export import Export, Failure
from support.faults_rows import late, readings
from support.faults_world import World
from support.iotdb import Row

pytestmark = pytest.mark.usefixtures("impatient")

ON_BOTH = pytest.mark.parametrize("empty_world", ["mariadb, s3", "sqlite, folder"], indirect=True)


@dataclass
class Gateway:
    """Inserts these rows, and waits for nobody: MariaDB's own never has to.

    SQLite has one writer at a time, so there they come as soon as they can.
    """

    world: World
    rows: Iterator[list[Row]]
    waiting: list[Row] | None = None
    inserted: int = 0

    def __call__(self, step: Step) -> None:
        batch = self.waiting or next(self.rows, None)
        try:
            if batch:
                self.world.insert(batch)
                self.inserted += len(batch)
            self.waiting = None
        except DatabaseBusy:
            assert self.world.iotdb.path, f"the gateway would have to wait at {step}"
            self.waiting = batch


def arrivals(world: World, number: int) -> list[Row]:
    """For every slice of every old day, a reading that nobody has seen and a copy of one; and one of today."""
    place, rows = world.place, []
    for day in (1, 2, 3):
        rows += [late(place, day, hour, number) for hour in (1, 5, 8)]
        rows += [readings(place, day)[hour] for hour in (2, 6, 9)]
    return [*rows, late(place, 0, 1, number)]


@ON_BOTH
def test_rows_that_arrive_at_any_step_are_archived_once(world, thinned, subtests):
    steps = world.steps()
    world.expected_objects = None  # how many generations there are depends on the moment
    for step in thinned(steps, 10):
        with subtests.test(arriving=str(step)):
            world.begin()
            gateway = Gateway(world, iter([arrivals(world, step.number)]))
            Export(world.place, Steps(range(step.number, 1000), gateway)).run()
            world.assert_nothing_is_lost()
            world.finish()
            world.assert_done()
            assert gateway.inserted == 19


@ON_BOTH
@pytest.mark.parametrize("stride", [1, 7, 31])
def test_rows_that_arrive_all_the_time_are_archived_once(world, stride):
    world.begin()
    gateway = Gateway(world, ([row] for n in count() for row in arrivals(world, n)))
    result = Export(world.place, Steps(range(1, 10_000, stride), gateway)).run()
    world.assert_nothing_is_lost()
    assert all("keep arriving" in problem or "still differ" in problem for problem in result.problems)
    world.finish()
    world.assert_done()
    assert gateway.inserted > 80 // stride


@pytest.mark.parametrize("empty_world", ["sqlite, folder"], indirect=True)
def test_rows_that_arrive_after_a_run_broke_off_are_archived_once(world, thinned, subtests):
    """Its last object may be there already, and hold other rows than the next run finds."""
    steps = world.steps()
    world.expected_objects = None
    for step in thinned(steps, 10):
        with subtests.test(broken=str(step)):
            world.begin()
            assert isinstance(Export(world.place, Steps({step.number}, _break)).attempt(), Failure)
            world.insert(arrivals(world, step.number))
            world.finish()
            world.assert_done()


def _break(_: Step) -> None:
    raise KeyboardInterrupt
