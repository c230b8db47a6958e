"""A frozen export that wakes up after another instance took over: it changes nothing any more.

First within one process: at each step the first run stands still, its lease expires, a second one does all the work,
and the first goes on and believes that it still holds the lease. Then with processes that are really stopped.
The store is only a witness here: MariaDB meets the one, SQLite the other.
"""

from __future__ import annotations

import signal
import time
from collections import Counter
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from servicemanager.errors import DatabaseBusy, DatabaseUnreachable, LeaseHeld, LeaseLost
from servicemanager.jobs.job import JobResult
from support.faults import Step, Steps
from support.faults_export import Export, Failure
from support.faults_world import World, patiently

pytestmark = pytest.mark.usefixtures("impatient")

MARIADB, SQLITE = "mariadb, s3", "sqlite, folder"


@dataclass
class Takeover:
    """A second instance that does the whole work at a step of the first."""

    world: World
    #: What it left; None where it could not take over.
    state: dict[str, list[str]] | None = None

    def __call__(self, step: Step) -> None:
        try:
            self._run()
        except (LeaseHeld, DatabaseBusy):
            if self.world.iotdb.path:
                return  # whoever writes to the file has it alone: nobody passes while the first one stands there
            self.world.drop_connections()  # as the server does, because the first one is silent for too long
            patiently(self._run)
        self.state = self.world.state()

    def _run(self) -> None:
        self.world.expire_lease()
        Export(self.world.place, waits=False).run()


@pytest.mark.parametrize("empty_world", [MARIADB, SQLITE], indirect=True)
def test_nothing_of_a_run_commits_after_another_one_took_over(world, thinned, subtests):
    ends: Counter = Counter()
    steps = world.steps()
    acquired = next(step.number for step in steps if step.port == "commit" and step.done)
    for step in thinned(steps, 24):
        with subtests.test(frozen=str(step)):
            world.begin()
            takeover = Takeover(world)
            outcome = Export(world.place, Steps({step.number}, takeover)).attempt()
            world.assert_done()
            if takeover.state is None:
                assert isinstance(outcome, JobResult), outcome
            elif step.number >= acquired:  # before that, it was the second run's turn anyway
                assert world.state() == takeover.state
                ends[_kind(outcome)] += 1
    # A run that finds all its work done by the other one comes to its end without a word.
    assert set(ends) <= {LeaseLost, DatabaseUnreachable, JobResult}
    assert ends[LeaseLost] > 5


def _kind(outcome: JobResult | Failure) -> type:
    return outcome.kind if isinstance(outcome, Failure) else JobResult


#: By the process' own clock: long enough for what a run does before it is stopped.
SHORT = timedelta(seconds=3)


def _await_takeover(world: World) -> float:
    """A second instance tries until it gets the lease and does the whole work. The seconds until it had it."""
    begin = time.monotonic()
    while True:
        started = time.monotonic()
        try:
            Export(world.place).run()
        except LeaseHeld:
            assert started - begin < 60, "nobody can take over"
            time.sleep(0.1)
        else:
            return started - begin


def _stop_at(world: World, workers, step: Step):
    world.begin()
    login = world.place.database
    brief = replace(world.place, database=replace(login, idle_limit=SHORT / 3)) if world.iotdb.login else world.place
    worker = workers.start(brief, step.number, signal.SIGSTOP, SHORT)
    worker.await_stop()
    return worker


@pytest.mark.parametrize("empty_world", [MARIADB], indirect=True)
def test_a_process_that_is_stopped_within_its_purge_is_replaced_and_commits_nothing_when_it_goes_on(old_world, workers):
    step = next(step for step in old_world.steps() if step.what == "UPDATE sm_archive_part SET")
    worker = _stop_at(old_world, workers, step)
    try:
        wait_timeout = SHORT / 3
        assert _await_takeover(old_world) < (SHORT + wait_timeout).total_seconds() + 2
        old_world.assert_done()
        state = old_world.state()
        worker.wake()
        with pytest.raises(LeaseLost):
            worker.result()
        assert old_world.state() == state
    finally:
        worker.end()


@pytest.mark.parametrize("empty_world", [MARIADB, SQLITE], indirect=True)
def test_a_process_that_is_stopped_before_it_puts_an_object_puts_none_when_it_goes_on(old_world, workers):
    step = next(step for step in old_world.steps() if step.what.startswith("put facts/creation_date="))
    worker = _stop_at(old_world, workers, step)
    try:
        _await_takeover(old_world)
        old_world.assert_done()
        state = old_world.state()
        worker.wake()
        with pytest.raises(LeaseLost):
            worker.result()
        assert old_world.state() == state
        old_world.assert_done()
    finally:
        worker.end()
