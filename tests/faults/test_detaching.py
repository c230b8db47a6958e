"""Faults while partitions leave Facts: at any step of detach, proof and drop nothing is lost or doubled.

DDL commits by itself, so what a deposed run does takes effect all the same; whoever comes next finds it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import count

import pytest

from servicemanager.errors import DatabaseBusy, LeaseHeld, ServiceManagerError
from servicemanager.jobs.job import JobResult
from support.faults import Step, Steps
from support.faults_export import Export, Failure
from support.faults_partitions import Frozen, PartitionedWorld, make_partitioned
from support.faults_process import Killed
from support.faults_rows import late, readings
from support.faults_world import World, patiently

pytestmark = [
    pytest.mark.usefixtures("impatient"),
    pytest.mark.parametrize("empty_world", ["mariadb, folder"], indirect=True),
]


@pytest.fixture
def world(empty_world) -> PartitionedWorld:
    return make_partitioned(empty_world)


def arrivals(world: World, number: int) -> list:
    place, rows = world.place, []
    for day in (1, 2, 3):
        rows += [late(place, day, hour, number) for hour in (1, 8)] + [readings(place, day)[6]]
    return [*rows, late(place, 0, 1, number)]


def test_both_days_leave_with_their_partitions(world):
    """Else nothing here would be tried."""
    steps = world.steps()
    whats = Counter(step.what for step in steps)
    assert sum(n for what, n in whats.items() if what.startswith("CREATE TABLE sm_twin")) == 2
    assert whats["DROP TABLE IF"] == 2
    assert whats["ALTER TABLE Facts"] == 1 + 2 + 1, "rights are asked for, both exchanged, and dropped together"


def test_a_run_that_is_killed_at_any_step_is_finished_by_the_next_one(world, workers, thinned, subtests):
    steps = world.steps()
    for step in thinned(steps, 8):
        with subtests.test(killed=str(step)):
            world.begin()
            with pytest.raises(Killed):
                workers.start(world.place, step.number).result()
            world.assert_nothing_is_lost()
            world.finish()
            world.assert_done()


def test_a_second_run_that_is_killed_too_is_finished_by_the_third(world, workers, thinned, subtests):
    steps = world.steps()
    for step in thinned(steps, 3):
        second = step.number * 37 % len(steps)
        with subtests.test(killed=str(step), and_then=second):
            world.begin()
            with pytest.raises(Killed):
                workers.start(world.place, step.number).result()
            with suppress(Killed):  # its own steps may be fewer
                patiently(partial(_kill_next, world, workers, second))
            world.assert_nothing_is_lost()
            world.finish()
            world.assert_done()


def _kill_next(world, workers, at: int) -> None:
    world.expire_lease()
    workers.start(world.place, at).result()


def test_rows_that_arrive_at_any_step_are_archived_once(world, thinned, subtests):
    steps = world.steps()
    world.expected_objects = None  # how many generations there are depends on the moment
    for step in thinned(steps, 6):
        with subtests.test(arriving=str(step)):
            world.begin()
            Export(world.place, Steps({step.number}, lambda at: world.insert(arrivals(world, at.number)))).run()
            world.assert_nothing_is_lost()
            world.finish()
            world.assert_done()


def test_rows_that_arrive_all_the_time_are_archived_once(world):
    world.steps()
    world.expected_objects = None
    world.begin()
    rows = (row for n in count() for row in arrivals(world, n))
    arriving = Steps(range(1, 10_000, 3), lambda _: world.insert([next(rows)]))
    result = Export(world.place, arriving).run()
    world.assert_nothing_is_lost()
    assert all("keep arriving" in problem or "still differ" in problem for problem in result.problems)
    world.finish()
    world.assert_done()


def test_a_deposed_run_that_goes_on_after_another_one_did_all_the_work_loses_and_doubles_nothing(
    world, thinned, subtests
):
    """Its own clock has not moved, so it believes that it still holds its lease; late rows are there to be taken."""
    ends: Counter = Counter()
    steps = world.steps()
    world.expected_objects = None
    for step in thinned(steps, 6):
        with subtests.test(frozen=str(step)):
            world.begin()
            outcome = Export(world.place, Steps({step.number}, partial(_take_over, world))).attempt()
            world.assert_nothing_is_lost()
            world.finish()
            world.assert_done()
            ends[outcome.kind if isinstance(outcome, Failure) else JobResult] += 1
    assert all(issubclass(end, JobResult | ServiceManagerError) for end in ends), ends


def _take_over(world: World, step: Step) -> None:
    def work() -> None:
        world.expire_lease()
        Export(world.place, waits=False).run()

    try:
        work()
    except (LeaseHeld, DatabaseBusy):
        world.drop_connections()  # as the server does, because the first one is silent for too long
        patiently(work)
    world.insert(arrivals(world, step.number))


def test_a_deposed_run_that_goes_on_in_the_midst_of_another_one_loses_and_doubles_nothing(world, thinned, subtests):
    steps = world.steps()
    world.expected_objects = None
    first_ddl = next(step.number for step in steps if step.what.startswith("CREATE TABLE sm_twin"))
    for step in thinned(steps[first_ddl - 1 :], 6):
        second = first_ddl + step.number * 37 % (len(steps) - first_ddl)
        with subtests.test(frozen=str(step), goes_on_at=str(steps[second - 1])):
            world.begin()
            frozen = Frozen(world.place, step.number)
            frozen.start()
            if steps[step.number - 2].what.startswith("UPDATE sm_lease"):
                world.drop_connections()  # as the server does after a while: until then it holds the lease's row
            world.insert(arrivals(world, step.number))
            _pass_by(world, frozen, lambda at, second=second: at.number == second)
            world.assert_nothing_is_lost()
            world.finish()
            world.assert_done()


def test_a_run_that_is_deposed_within_its_proof_puts_no_row_a_second_time(world, thinned, subtests):
    """Between the other one's mark and its drop the twin still holds rows that count as purged."""
    world.steps()
    world.expected_objects = None

    def late_rows(step: Step) -> None:
        """They come after the windows were archived, and before the partition goes, into days that still have one."""
        if step.what.startswith("CREATE TABLE sm_twin") and not came:
            came.append(step.number)
            world.insert([row for row in arrivals(world, 1) if row[-1] >= world.place.midnight(2)])

    world.begin()
    came: list[int] = []
    steps = Steps(range(1, 10_000), late_rows)
    Export(world.place, steps).run()
    world.assert_done()
    counted = next(step.number for step in steps.seen[came[0] :] if step.what == "SELECT 0 AS")
    put = next(step.number for step in steps.seen if step.number > counted and step.what.startswith("put "))
    # What a run has read before is settled by the objects' names; what it reads now must still be its own to judge.
    reading = [step for step in steps.seen[counted:put] if step.done or step.what.startswith("SELECT sm_archive_")]
    for step in thinned(reading, 8):
        with subtests.test(frozen=str(step)):
            world.begin()
            came.clear()
            frozen = Frozen(world.place, step.number, late_rows)
            frozen.start()
            _pass_by(world, frozen, lambda at: at.what == "DROP TABLE IF")
            world.assert_nothing_is_lost()
            world.finish()
            world.assert_done()


def _pass_by(world: World, frozen: Frozen, when: Callable[[Step], bool]) -> None:
    """Another run does the work, and at some of its steps the frozen one goes on."""

    def go_on(step: Step) -> None:
        if when(step):
            frozen.go_on()

    def run() -> None:
        world.expire_lease()
        outcome = Export(world.place, Steps(range(1, 10_000), go_on), waits=False).attempt()
        if isinstance(outcome, Failure) and issubclass(outcome.kind, LeaseHeld):
            world.drop_connections()  # as the server does, because the frozen one is silent for too long
            raise LeaseHeld(outcome.text)

    patiently(run)
    frozen.go_on()
