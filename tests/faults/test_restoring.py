"""A restore that is killed, fails or loses an answer at any step: the next one brings back the rest, and nothing twice.

Into Facts, an export that follows neither doubles nor forgets what came back. The world has seen a restore before,
into a table that was dropped since.
"""

from __future__ import annotations

from collections import Counter
from functools import partial

import pymysql
import pytest

from servicemanager.errors import DatabaseRefused
from servicemanager.jobs.job import JobResult
from support.faults import Step, Steps
from support.faults_export import Failure
from support.faults_process import Killed
from support.faults_restore import TARGET, Restore, Restoring, make_purged
from support.faults_rows import late
from support.faults_throw import LOST_ANSWERS, assert_ours, throw

pytestmark = pytest.mark.usefixtures("impatient")

ON_BOTH = pytest.mark.parametrize("empty_world", ["sqlite, folder", "mariadb, s3"], indirect=True)
ON_MARIADB = pytest.mark.parametrize("empty_world", ["mariadb, folder"], indirect=True)


@pytest.fixture(params=[TARGET, "Facts"])
def restoring(request, empty_world) -> Restoring:
    return Restoring(make_purged(empty_world), request.param)


@ON_BOTH
def test_a_restore_that_is_killed_at_any_step_is_finished_by_the_next_one(restoring, workers, thinned, subtests):
    for step in thinned(restoring.steps(), 6):
        with subtests.test(killed=str(step)):
            restoring.begin()
            with pytest.raises(Killed):
                work = partial(Restore, target=restoring.target)
                workers.start(restoring.world.place, step.number, work=work).result()
            restoring.assert_nothing_is_doubled()
            restoring.finish()


def suffer(restoring: Restoring, step: Step, deed) -> JobResult | Failure:
    """What came of a restore in which the deed was done at that step; the next one makes good for it."""
    restoring.begin()
    outcome = restoring.restore(Steps({step.number}, deed, answers=True)).attempt()
    restoring.assert_nothing_is_doubled()
    restoring.finish()
    return outcome


@ON_BOTH
def test_an_error_that_nobody_foresaw(restoring, thinned, subtests):
    for step in thinned(restoring.steps(answers=True), 3):
        with subtests.test(fails=str(step)):
            outcome = suffer(restoring, step, throw(RuntimeError("out of the blue")))
            assert_ours(outcome, RuntimeError)


@ON_BOTH
def test_a_commit_whose_answer_is_lost(restoring, thinned, subtests):
    lost = LOST_ANSWERS[restoring.world.iotdb.database.dialect]
    commits = [step for step in restoring.steps(answers=True) if step.port == "commit" and step.done]
    for step in thinned(commits, 5):
        with subtests.test(lost=str(step)):
            assert_ours(suffer(restoring, step, throw(lost)))


@ON_MARIADB
def test_a_connection_that_the_server_drops(restoring, thinned, subtests):
    steps = [step for step in restoring.steps(answers=True) if not step.done]
    for step in thinned(steps, 4):
        with subtests.test(dropped=str(step)):
            assert_ours(suffer(restoring, step, lambda _: restoring.world.drop_connections()))


@ON_MARIADB
@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1021, "Disk full (/tmp/#sql); waiting for someone to free some space..."),
        (1114, "The table 'Facts_restored' is full"),
    ],
)
def test_a_server_whose_disk_is_full_is_named(restoring, number, text, thinned, subtests):
    writing = ("INSERT INTO sm_restore", "UPDATE sm_archive_part")
    steps = [step for step in restoring.steps(answers=True) if not step.done and step.what.startswith(writing)]
    for step in thinned(steps, 1):
        with subtests.test(fails=str(step)):
            outcome = suffer(restoring, step, throw(pymysql.OperationalError(number, text)))
            assert outcome.kind is DatabaseRefused
            assert "has no space left" in outcome.text


@ON_MARIADB
@pytest.mark.parametrize("restoring", ["Facts"], indirect=True)
def test_readings_that_arrive_while_others_return_stay_beside_them_and_are_not_counted(restoring, thinned, subtests):
    world, steps = restoring.world, restoring.steps()
    world.expected_objects = None  # the new ones need another generation
    for step in thinned(steps, 8):
        with subtests.test(arriving=str(step)):
            restoring.begin()
            arriving = [late(world.place, day, hour) for day in (3, 2) for hour in (1, 5, 8)]
            outcome = restoring.restore(Steps({step.number}, partial(_insert, world, arriving))).run()
            assert all("could not be brought back exactly" in problem for problem in outcome.problems)
            back = world.facts() - world.kept_facts - Counter(arriving)
            assert outcome.counts["rows_restored"] == back.total()
            world.assert_nothing_is_lost()
            assert world.again(restoring.restore().run).problems == ()
            assert world.facts() == world.rows
            world.finish()
            world.assert_done()


def _insert(world, rows, _: Step) -> None:
    world.insert(rows)


@ON_BOTH
@pytest.mark.parametrize(
    "spoil",
    [lambda _: None, lambda body: body[:200] + b"?" + body[201:-1]],
    ids=["gone", "damaged"],
)
def test_an_object_that_is_gone_or_damaged_in_the_middle_is_named_and_nothing_of_it_counted(
    restoring, spoil, thinned, subtests
):
    world = restoring.world
    for step in thinned([step for step in restoring.steps() if step.what.startswith("read facts/")], 1):
        with subtests.test(spoilt=str(step)):
            restoring.begin()
            key = step.what.split()[1]
            body = world.store.read(key)
            deed = partial(_overwrite, world, key, spoil(body))
            outcome = restoring.restore(Steps({step.number}, deed)).attempt()
            (problem,) = outcome.problems
            assert world.store.url_of(key) in problem
            assert outcome.counts["rows_restored"] == restoring.restored().total()
            world.overwrite(key, body)
            restoring.assert_nothing_is_doubled()
            assert restoring.finish().counts["rows_restored"] >= world.archived()[world.store.url_of(key)].total()


def _overwrite(world, key: str, body: bytes | None, _: Step) -> None:
    world.overwrite(key, body)
