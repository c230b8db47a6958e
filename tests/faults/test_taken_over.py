"""A run freezes at any step, another instance takes over and comes to its end, and then the first one wakes up."""

from __future__ import annotations

import pytest

from servicemanager.errors import DatabaseBusy, LeaseHeld, LeaseLost, ServiceManagerError
from servicemanager.jobs.job import JobResult
from support.faults import Step, Steps
from support.faults_export import Export
from support.faults_world import World

ON_ALL = pytest.mark.parametrize(
    "empty_world", ["sqlite, folder", "mariadb, folder", "sqlite, s3", "mariadb, s3"], indirect=True
)


class TakeOver:
    """What the second instance does, and how it left the world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.left: object = None

    def __call__(self, _: Step) -> None:
        """The first one's own clock has not moved, so it believes that it still holds its lease."""
        try:
            self._world.expire_lease()
            result = Export(self._world.place, waits=False).run()
        except (DatabaseBusy, LeaseHeld):
            # The first one's open transaction keeps the second one out, until its session is dropped.
            return
        assert result.problems == ()
        self._world.assert_done()
        self.left = self.look()

    def look(self) -> object:
        return self._world.state(), self._world.objects()


@ON_ALL
def test_the_one_that_wakes_up_commits_nothing(old_world, thinned, subtests):
    taken = 0
    steps = old_world.steps()
    held = next(step.number for step in steps if step.port == "commit" and step.done)  # the lease, from here on
    for step in thinned(steps[held:], 24):
        with subtests.test(frozen=str(step)):
            old_world.begin()
            take_over = TakeOver(old_world)
            outcome = run(Export(old_world.place, Steps({step.number}, take_over)))
            assert isinstance(outcome, JobResult | ServiceManagerError), outcome
            if take_over.left is None:
                assert isinstance(outcome, JobResult)
            else:
                taken += 1
                assert take_over.look() == take_over.left
            old_world.assert_nothing_is_lost()
            old_world.finish()
            old_world.assert_done()
    assert taken > 8


def run(export: Export) -> object:
    try:
        return export.run()
    except Exception as error:  # noqa: BLE001 -- every one is looked at
        return error


@pytest.mark.parametrize("empty_world", ["mariadb, folder"], indirect=True)
def test_in_the_middle_of_a_purge_it_says_that_another_one_is_at_work(old_world):
    steps = old_world.steps()
    purge = next(step for step in steps if step.what.startswith("UPDATE sm_fence") and step.number > len(steps) // 2)
    old_world.begin()
    outcome = run(Export(old_world.place, Steps({purge.number}, TakeOver(old_world))))
    assert isinstance(outcome, LeaseLost)
    assert "Another instance has taken over" in str(outcome)
