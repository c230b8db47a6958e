"""The server refuses a step of a partition's way out, or its answer is lost; or the journal is one of an older backup.

Nothing is lost or doubled, and the next run finishes the work.
"""

from __future__ import annotations

from dataclasses import dataclass

import pymysql
import pytest

from servicemanager.errors import DatabaseRefused
from servicemanager.iotdb import tables
from support.faults import Step, Steps
from support.faults_export import Export, Failure
from support.faults_partitions import PartitionedWorld, make_partitioned
from support.faults_throw import LOST_ANSWERS, assert_ours, throw

pytestmark = [
    pytest.mark.usefixtures("impatient"),
    pytest.mark.parametrize("empty_world", ["mariadb, folder"], indirect=True),
]

DDL = ("CREATE TABLE", "ALTER TABLE", "DROP TABLE")


@pytest.fixture
def world(empty_world) -> PartitionedWorld:
    return make_partitioned(empty_world)


def changing(world: PartitionedWorld) -> list[Step]:
    return [step for step in world.steps(answers=True) if step.what.startswith(DDL)]


def suffer(world: PartitionedWorld, step: Step, error: BaseException):
    world.begin()
    outcome = Export(world.place, Steps({step.number}, throw(error), answers=True)).attempt()
    world.assert_nothing_is_lost()
    world.finish()
    world.assert_done()
    return outcome


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1205, "Lock wait timeout exceeded; try restarting transaction"),
        (1142, "ALTER command denied to user 'gast'@'localhost' for table `iotdb`.`Facts`"),
        (1736, "Tables have different definitions"),
    ],
)
def test_a_change_that_the_server_refuses(world, number, text, thinned, subtests):
    steps = [step for step in changing(world) if not step.done]
    for step in thinned(steps, 4):
        with subtests.test(refused=str(step)):
            assert_ours(suffer(world, step, pymysql.OperationalError(number, text)))


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1021, "Disk full (/var/lib/mysql/#sql); waiting for someone to free some space..."),
        (1030, 'Got error 28 "No space left on device" from storage engine InnoDB'),
    ],
)
def test_a_change_for_which_the_servers_disk_has_no_room(world, number, text, thinned, subtests):
    steps = [step for step in changing(world) if not step.done]
    for step in thinned(steps, 4):
        with subtests.test(refused=str(step)):
            outcome = suffer(world, step, pymysql.OperationalError(number, text))
            if isinstance(outcome, Failure):
                assert outcome.kind is DatabaseRefused
                assert "has no space left" in outcome.text
            else:
                assert any("has no space left" in notice for notice in outcome.notices)


def test_a_change_that_was_made_though_its_answer_is_lost(world, subtests):
    steps = [step for step in changing(world) if step.done]
    assert len(steps) > 6
    for step in steps:
        with subtests.test(lost=str(step)):
            assert_ours(suffer(world, step, LOST_ANSWERS["mysql"]))


@dataclass
class BreakOff:
    """At so many steps after the first twin was made."""

    after: int
    made: bool = False

    def __call__(self, step: Step) -> None:
        self.made |= step.what.startswith("CREATE TABLE sm_twin")
        self.after -= self.made
        if self.after < 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize("after", [2, 5, 9, 13, 15])
def test_a_twin_that_the_journal_of_an_older_backup_knows_nothing_of(world, after):
    """Leases and terms are older, too: the next run has the number that the twin's had."""
    intended = next(step.number for step in world.steps() if step.what == "INSERT INTO sm_detached")
    world.begin()
    Export(world.place, Steps({intended}, throw(KeyboardInterrupt()))).attempt()
    world.expire_lease()
    names = [table.name for table in tables.ours.sorted_tables]
    world.iotdb.execute(*(f"CREATE TABLE backup_{name} AS SELECT * FROM {name}" for name in names))
    Export(world.place, Steps(range(1, 10_000), BreakOff(after))).attempt()
    assert len(world.twins()) == 1
    world.iotdb.execute(*(f"DELETE FROM {name}" for name in names))
    world.iotdb.execute(*(f"INSERT INTO {name} SELECT * FROM backup_{name}" for name in names))
    world.assert_nothing_is_lost()
    world.finish()
    world.assert_done()
