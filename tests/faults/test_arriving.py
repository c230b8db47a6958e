"""Rows that arrive between any two steps: new ones on old days, copies of old ones, and today's.

What is left behind by one run is the next one's; nothing is lost or doubled. Stores make no difference to it:
MariaDB meets the one, SQLite the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import pytest

from servicemanager.errors import DatabaseBusy
from support.faults import Step, Steps
from support.faults_export import Export
from support.faults_rows import late
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

    def __call__(self, step: Step) -> None:
        batch = self.waiting or next(self.rows, None)
        try:
            if batch:
                self.world.insert(batch)
            self.waiting = None
        except DatabaseBusy:
            assert self.world.iotdb.path, f"the gateway would have to wait at {step}"
            self.waiting = batch


def arrivals(world: World) -> Iterator[list[Row]]:
    """A new one on some old day, copies of an old one and of one that is in the middle of its way, one of today."""
    copied = sorted(row for row in world.rows if row[-1] < world.place.midnight(0))
    for n in range(10_000):
        yield [late(world.place, n % 3 + 1, n), copied[n % len(copied)], late(world.place, 0, n)]


@ON_BOTH
def test_rows_that_arrive_at_any_step_are_archived_once(world, thinned, subtests):
    steps = world.steps()
    world.expected_objects = None  # how many generations there are depends on the moment
    for step in thinned(steps, 24):
        with subtests.test(arriving=str(step)):
            world.begin()
            batch = next(islice(arrivals(world), step.number, None))
            gateway = Gateway(world, iter([batch]))
            Export(world.place, Steps(range(step.number, 1000), gateway)).run()
            world.assert_nothing_is_lost()
            world.finish()
            world.assert_done()
            assert len(world.rows - world._kept_rows) == 3


@ON_BOTH
def test_rows_that_arrive_at_every_step_are_archived_once(world):
    world.begin()
    rows = arrivals(world)
    steps = Steps(range(1, 10_000), Gateway(world, rows))
    result = Export(world.place, steps).run()
    world.assert_nothing_is_lost()
    assert all("keep arriving" in problem or "still differ" in problem for problem in result.problems)
    world.finish()
    world.assert_done()
    assert sum((world.rows - world._kept_rows).values()) > 100
