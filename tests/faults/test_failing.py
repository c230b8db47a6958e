"""An error at every step, as each port raises them: nothing is lost, and a person is told in our own words.

The next run finishes the work. Errors of the database are tried on both dialects; what the store raises is tried
on both stores, with SQLite alone, for the database makes no difference to it.
"""

from __future__ import annotations

import errno
import socket
import sqlite3
from collections.abc import Callable
from contextlib import suppress

import pymysql
import pytest

from servicemanager.errors import (
    ArchiveDamaged,
    ArchiveRefused,
    BucketUnreachable,
    DatabaseUnreachable,
    ObjectCold,
    ObjectExists,
    ObjectMissing,
    Stopped,
)
from servicemanager.jobs.job import JobResult
from support.faults import Step, Steps
from support.faults_export import Export, Failure
from support.faults_throw import LOST_ANSWERS, assert_ours, throw

pytestmark = pytest.mark.usefixtures("impatient")

SQL = {"sql", "commit", "rollback"}
EVERYWHERE = SQL | {"rows", "store", "disk"}
ON_SQLITE = pytest.mark.parametrize("empty_world", ["sqlite, folder"], indirect=True)
ON_MARIADB = pytest.mark.parametrize("empty_world", ["mariadb, folder"], indirect=True)
ON_BOTH = pytest.mark.parametrize("empty_world", ["sqlite, folder", "mariadb, folder"], indirect=True)
ON_BOTH_STORES = pytest.mark.parametrize("empty_world", ["sqlite, folder", "sqlite, s3"], indirect=True)

#: By the first word of what the store was asked: what it may answer instead.
ANSWERS = {
    "put": [BucketUnreachable, ObjectExists, ArchiveRefused],
    "read": [BucketUnreachable, ObjectMissing, ObjectCold, ArchiveDamaged],
    "stat": [BucketUnreachable],
    "list": [BucketUnreachable, ArchiveRefused],
}


def suffer(world, step: Step, deed: Callable[[Step], None]) -> JobResult | Failure:
    """What came of a run in which the deed was done at that step; whatever it was, the next run makes good for it."""
    world.begin()
    outcome = Export(world.place, Steps({step.number}, deed, answers=True)).attempt()
    world.assert_nothing_is_lost()
    world.finish()
    world.assert_done()
    return outcome


@ON_BOTH
@pytest.mark.parametrize("kind", [RuntimeError, KeyboardInterrupt])
def test_an_error_that_nobody_foresaw(old_world, kind, thinned, subtests):
    for step in thinned(old_world.steps(answers=True), 5):
        with subtests.test(fails=str(step)):
            assert_ours(suffer(old_world, step, throw(kind("out of the blue"))), kind)


@ON_MARIADB
@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1205, "Lock wait timeout exceeded; try restarting transaction"),
        (1213, "Deadlock found when trying to get lock; try restarting transaction"),
        (2013, "Lost connection to MySQL server during query"),
        (1290, "The MariaDB server is running with the --read-only option so it cannot execute this statement"),
        (1142, "DELETE command denied to user 'gast'@'localhost' for table 'Facts'"),
    ],
)
def test_an_error_of_the_server(old_world, number, text, thinned, subtests):
    steps = [step for step in old_world.steps(answers=True) if step.port in SQL]
    for step in thinned(steps, 5):
        with subtests.test(fails=str(step)):
            assert_ours(suffer(old_world, step, throw(pymysql.OperationalError(number, text))))


@ON_SQLITE
@pytest.mark.parametrize(
    "text", ["database is locked", "disk I/O error", "database or disk is full", "attempt to write a readonly database"]
)
def test_an_error_of_the_embedded_database(old_world, text, thinned, subtests):
    steps = [step for step in old_world.steps(answers=True) if step.port in SQL]
    for step in thinned(steps, 5):
        with subtests.test(fails=str(step)):
            assert_ours(suffer(old_world, step, throw(sqlite3.OperationalError(text))))


@ON_BOTH_STORES
def test_an_error_of_the_store(old_world, thinned, subtests):
    steps = [step for step in old_world.steps(answers=True) if step.port == "store"]
    faults = [(step, kind) for step in steps for kind in ANSWERS[step.what.split()[0]]]
    for step, kind in thinned(faults, 12):
        with subtests.test(fails=str(step), by=kind.__name__):
            assert_ours(suffer(old_world, step, throw(kind("as it was planned"))))


@ON_SQLITE
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_an_error_of_the_disk(old_world, number, thinned, subtests):
    steps = [step for step in old_world.steps(answers=True) if step.port == "disk"]
    for step in thinned(steps, 5):
        with subtests.test(fails=str(step)):
            assert_ours(suffer(old_world, step, throw(OSError(number, "as it was planned"))))


@ON_BOTH
def test_a_reader_that_breaks_off(old_world, subtests):
    for step in (step for step in old_world.steps(answers=True) if step.port == "rows"):
        with subtests.test(fails=str(step)):
            outcome = suffer(old_world, step, throw(DatabaseUnreachable("as it was planned")))
            assert outcome == Failure(DatabaseUnreachable, "as it was planned")


@ON_MARIADB
def test_a_connection_that_the_server_drops(old_world, thinned, subtests):
    steps = [step for step in old_world.steps(answers=True) if not step.done]
    for step in thinned(steps, 7):
        with subtests.test(dropped=str(step)):
            assert_ours(suffer(old_world, step, lambda _: old_world.drop_connections()))


@ON_MARIADB
def test_a_connection_that_the_network_drops(old_world, thinned, subtests):
    steps = [step for step in old_world.steps(answers=True) if step.port in SQL]
    for step in thinned(steps, 7):
        with subtests.test(dropped=str(step)):
            assert_ours(suffer(old_world, step, _cut))


def _cut(step: Step) -> None:
    with suppress(OSError):
        step.connection._sock.shutdown(socket.SHUT_RDWR)


@ON_BOTH
def test_a_commit_whose_answer_is_lost(world, subtests):
    """Every one, always."""
    steps = world.steps(answers=True)
    lost = LOST_ANSWERS[world.iotdb.database.dialect]
    for step in (step for step in steps if step.port == "commit" and step.done):
        with subtests.test(lost=str(step)):
            assert_ours(suffer(world, step, throw(lost)))


@ON_BOTH
def test_a_purge_gets_over_a_commit_whose_answer_is_lost(old_world, subtests):
    steps = old_world.steps(answers=True)
    lost = LOST_ANSWERS[old_world.iotdb.database.dialect]
    purges = [steps[n + 2] for n, step in enumerate(steps) if step.what == "UPDATE sm_archive_part SET" and step.done]
    assert len(purges) > 6
    for step in purges:
        with subtests.test(lost=str(step)):
            assert (step.port, step.done) == ("commit", True)
            outcome = suffer(old_world, step, throw(lost))
            assert outcome.problems == ()
            assert outcome.counts["rows_purged"] == 47


@ON_BOTH
def test_a_run_that_is_asked_to_stop(old_world, thinned, subtests):
    for step in thinned(old_world.steps(), 5):
        with subtests.test(stopped=str(step)):
            old_world.begin()
            export = Export(old_world.place)
            export.steps.at, export.steps.deed = {step.number}, lambda _, export=export: export.stop.set()
            outcome = export.attempt()
            assert isinstance(outcome, JobResult) or outcome.kind is Stopped, outcome
            old_world.assert_nothing_is_lost()
            old_world.finish()
            old_world.assert_done()
