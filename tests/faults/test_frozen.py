"""A real process, really stopped in the middle of a purge: its locks go, another takes over, and it wakes in vain."""

from __future__ import annotations

import dataclasses
import signal
import time
from datetime import timedelta

import pytest

from servicemanager.errors import LeaseHeld, ServiceManagerError
from servicemanager.jobs.job import JobResult
from support.faults_export import Export

LEASE = timedelta(seconds=3)
IDLE = timedelta(seconds=1)

pytestmark = [
    pytest.mark.usefixtures("impatient"),
    pytest.mark.parametrize("empty_world", ["mariadb, folder"], indirect=True),
]


@pytest.mark.parametrize("moment", ["UPDATE sm_fence SET", "DELETE FROM Facts", "UPDATE sm_archive_part SET"])
def test_a_stopped_process_keeps_no_lock_and_commits_nothing_when_it_wakes_up(old_world, workers, moment):
    world = old_world
    world.place = dataclasses.replace(world.place, database=dataclasses.replace(world.place.database, idle_limit=IDLE))
    steps = world.steps()
    purge = next(step for step in steps if step.what == "DELETE FROM Facts")
    frozen_at = next(step.number for step in steps[purge.number - 6 :] if step.what == moment)
    world.begin()
    frozen = workers.start(world.place, frozen_at + 1, signal.SIGSTOP, LEASE)
    try:
        frozen.await_stop()
        stopped_at = time.monotonic()
        assert take_over(world).problems == ()
        # The lease's time, the server's patience with a silent session, and the work itself.
        assert time.monotonic() - stopped_at < 3 * LEASE.total_seconds()
        world.assert_done()
        before = world.state()
        frozen.wake()
        with pytest.raises(ServiceManagerError):
            frozen.result()
        assert world.state() == before
        world.assert_done()
    finally:
        frozen.end()


def take_over(world) -> JobResult:
    """As a second instance does that tries again and again."""
    deadline = time.monotonic() + 30
    while True:
        try:
            return Export(world.place, lease=LEASE).run()
        except LeaseHeld:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
