"""A real process, really stopped: its locks go, another one takes over, and it wakes up in vain."""

from __future__ import annotations

import dataclasses
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from servicemanager.errors import LeaseHeld, LeaseLost
from support.faults import Step
from support.faults_export import Export
from support.faults_world import World

LEASE = timedelta(seconds=3)
#: The server's patience with a session that says nothing.
IDLE = timedelta(seconds=1)
_PATIENCE = 60  # seconds


@pytest.mark.parametrize("empty_world", ["mariadb, folder"], indirect=True)
@pytest.mark.parametrize("moment", ["SELECT 0 AS", "DELETE FROM Facts", "UPDATE sm_archive_part SET", "commit"])
def test_a_process_that_is_stopped_within_its_purge_keeps_no_lock_and_commits_nothing(old_world, workers, moment):
    steps = old_world.steps()
    marks = next(step for step in steps if step.what == "UPDATE sm_archive_part SET")
    step = next(step for step in steps[marks.number - 5 :] if step.what == moment)
    with stopped(old_world, workers, step) as since:
        assert take_over(old_world) - since < (LEASE + IDLE).total_seconds() + 15  # of a busy machine


@pytest.mark.parametrize("empty_world", ["mariadb, s3", "sqlite, folder"], indirect=True)
def test_a_process_that_is_stopped_before_it_puts_an_object_puts_none_when_it_goes_on(old_world, workers):
    step = next(step for step in old_world.steps() if step.what.startswith("put facts/creation_date="))
    with stopped(old_world, workers, step):
        take_over(old_world)


@contextmanager
def stopped(world: World, workers, step: Step) -> Iterator[float]:
    """An export that stands still at that step, since when; at the end it goes on and must find that it lost."""
    world.begin()
    place = world.place
    if world.iotdb.login:
        place = dataclasses.replace(place, database=dataclasses.replace(place.database, idle_limit=IDLE))
    worker = workers.start(place, step.number, signal.SIGSTOP, LEASE)
    try:
        worker.await_stop()
        yield time.monotonic()
        world.assert_done()
        before = world.state()
        worker.wake()
        with pytest.raises(LeaseLost):
            worker.result()
        assert world.state() == before
        world.assert_done()
    finally:
        worker.end()


def take_over(world: World) -> float:
    """As a second instance that tries again and again, and does all the work. Returns when it got the lease."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        tried_at = time.monotonic()
        try:
            assert Export(world.place).run().problems == ()
        except LeaseHeld:
            assert tried_at < deadline, "nobody can take over"
            time.sleep(0.05)
        else:
            return tried_at
