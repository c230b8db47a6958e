"""An adoption that is killed or fails at any step: the next one leaves the journal that an undisturbed one would."""

from __future__ import annotations

import pytest

from servicemanager.errors import DatabaseUnreachable
from servicemanager.export.adopt import Adoption
from support.faults import Steps
from support.faults_process import Killed
from support.faults_restore import Adopt, journal_of, make_forgotten
from support.faults_throw import LOST_ANSWERS, throw
from support.faults_world import World

ON_BOTH = pytest.mark.parametrize("empty_world", ["sqlite, folder", "mariadb, s3"], indirect=True)


@pytest.fixture
def forgotten(empty_world) -> World:
    return make_forgotten(empty_world)


def undisturbed(world: World, *, answers: bool = False) -> tuple[list, list[str]]:
    """The steps of an adoption without faults, and the journal that it leaves."""
    world.begin()
    steps = Steps(answers=answers)
    assert Adopt(world.place, steps).run().undecided == []
    journal = journal_of(world)
    world.finish()
    world.assert_done()
    world.expected_objects = frozenset(world.objects())
    assert len(steps.seen) > 60
    return steps.seen, journal


def assert_mended(world: World, journal: list[str]) -> None:
    """By the next adoption; and the export that follows doubles nothing."""
    assert world.facts() == world.kept_facts
    assert world.again(Adopt(world.place).run).undecided == []
    assert journal_of(world) == journal
    world.finish()
    world.assert_done()


@ON_BOTH
def test_an_adoption_that_is_killed_at_any_step_is_finished_by_the_next_one(forgotten, workers, thinned, subtests):
    steps, journal = undisturbed(forgotten)
    for step in thinned(steps, 8):
        with subtests.test(killed=str(step)):
            forgotten.begin()
            with pytest.raises(Killed):
                workers.start(forgotten.place, step.number, work=Adopt).result()
            assert_mended(forgotten, journal)


@ON_BOTH
def test_a_commit_whose_answer_is_lost_while_objects_are_adopted(forgotten, thinned, subtests):
    steps, journal = undisturbed(forgotten, answers=True)
    lost = LOST_ANSWERS[forgotten.iotdb.database.dialect]
    for step in thinned([step for step in steps if step.port == "commit" and step.done], 5):
        with subtests.test(lost=str(step)):
            forgotten.begin()
            outcome = Adopt(forgotten.place, Steps({step.number}, throw(lost), answers=True)).attempt()
            # To let go of the lease is tried, and what comes of it no trouble.
            assert isinstance(outcome, Adoption) or outcome.kind is DatabaseUnreachable, outcome
            assert_mended(forgotten, journal)
