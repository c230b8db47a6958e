"""A run stands still at any step, another instance takes over and comes to its end, and then the first one goes on.

Its own clock has not moved, so it believes that it still holds its lease; it must change nothing any more.
The store is only a witness here: MariaDB meets the one, SQLite the other. Real processes are stopped in `test_frozen`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pytest

from servicemanager.errors import DatabaseBusy, LeaseHeld, LeaseLost, ServiceManagerError
from servicemanager.jobs.job import JobResult
from support.faults import Step, Steps
from support.faults_export import Export, Failure
from support.faults_world import World, patiently

pytestmark = pytest.mark.usefixtures("impatient")


@dataclass
class Takeover:
    """A second instance that does the whole work at a step of the first."""

    world: World
    #: What it left; None where it could not take over.
    state: dict[str, list[str]] | None = None

    def __call__(self, step: Step) -> None:
        if self.world.iotdb.path:
            if self._file_is_taken():
                return  # whoever writes to the file has it alone: nobody passes while the first one stands there
            self._run(waits=True)
        else:
            try:
                self._run()
            except (LeaseHeld, DatabaseBusy):
                self.world.drop_connections()  # as the server does, because the first one is silent for too long
                patiently(self._run)
        self.state = self.world.state()

    def _run(self, *, waits: bool = False) -> None:
        self.world.expire_lease()
        Export(self.world.place, waits=waits).run()

    def _file_is_taken(self) -> bool:
        try:
            with self.world.iotdb.database.transaction():
                return False
        except DatabaseBusy:
            return True


@pytest.mark.parametrize("empty_world", ["mariadb, s3", "sqlite, folder"], indirect=True)
def test_nothing_of_a_run_commits_after_another_one_took_over(world, thinned, subtests):
    ends: Counter = Counter()
    steps = world.steps()
    acquired = next(step.number for step in steps if step.port == "commit" and step.done)
    for step in thinned(steps, 12):
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
    assert all(issubclass(end, JobResult | ServiceManagerError) for end in ends), ends
    assert sum(ends.values()) > 5
    assert ends[LeaseLost] > 1


@pytest.mark.parametrize("empty_world", ["mariadb, s3", "sqlite, folder"], indirect=True)
def test_whoever_comes_to_the_fence_after_a_takeover_is_told_that_another_one_is_at_work(old_world, subtests):
    steps = old_world.steps()
    acquired = next(step.number for step in steps if step.port == "commit" and step.done)
    fences = [step for step in steps[acquired:] if step.what == "UPDATE sm_fence SET"]
    assert len(fences) == 2 + 3 + 8, "the claim, a plan, three objects and eight slices"
    for fence in fences:
        # SQLite lets nobody pass once the transaction has begun.
        before = steps[fence.number - 2] if old_world.iotdb.path else fence
        with subtests.test(frozen=str(before)):
            old_world.begin()
            takeover = Takeover(old_world)
            outcome = Export(old_world.place, Steps({before.number}, takeover)).attempt()
            assert takeover.state is not None
            assert outcome.kind is LeaseLost
            assert "Another instance has taken over" in outcome.text
            assert old_world.state() == takeover.state
            old_world.assert_done()


def _kind(outcome: JobResult | Failure) -> type:
    return outcome.kind if isinstance(outcome, Failure) else JobResult
