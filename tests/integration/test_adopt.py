"""A database takes over an archive whose journal it lost, or never had."""

import threading
from collections import Counter

import pytest

from servicemanager.cluster.lease import acquire, kept
from servicemanager.errors import ArchiveRefused
from servicemanager.export.adopt import adopt_identity, adopt_objects
from servicemanager.export.plan import Hold
from servicemanager.iotdb.place import check_place
from servicemanager.jobs.job import JobContext, Silence
from support.exports import LEASE, archived_rows, days_ago, make_job, run
from support.iotdb import reading

FORMS = pytest.mark.parametrize("iotdb", ["sqlite", "timestamp", "datetime-unindexed"], indirect=True)
ROWS = [reading(days_ago(day), data=n % 4) for day in (3, 2, 1) for n in range(9)]


def adopt(iotdb, store, staging):
    with kept(acquire(iotdb.database, "job:export", "adopter", LEASE)) as lease:
        adopt_identity(iotdb.database, store)
        return adopt_objects(make_job(iotdb, store, staging).tools(JobContext(lease, Silence(), threading.Event())))


def forget_journal(iotdb) -> None:
    iotdb.execute(
        "DELETE FROM sm_archive", "DELETE FROM sm_archive_object", "DELETE FROM sm_archive_part", "DELETE FROM sm_meta"
    )


@FORMS
def test_a_lost_journal_holds_days_back_until_it_is_rebuilt_and_then_nothing_is_doubled(iotdb, store, staging):
    iotdb.insert(ROWS)
    run(make_job(iotdb, store, staging, purge=False))
    iotdb.execute("DELETE FROM sm_archive", "DELETE FROM sm_archive_object", "DELETE FROM sm_archive_part")
    held = run(make_job(iotdb, store, staging))
    assert Hold.UNKNOWN_OBJECTS in held.problems[0]
    assert iotdb.rows() == Counter(ROWS)
    assert adopt(iotdb, store, staging).undecided == []
    result = run(make_job(iotdb, store, staging))
    assert result.problems == ()
    assert archived_rows(store) == Counter(ROWS)
    assert iotdb.rows() == Counter()


@FORMS
def test_a_new_database_takes_over_an_archive_and_purged_days_stay_purged(iotdb, store, staging):
    iotdb.insert(ROWS)
    run(make_job(iotdb, store, staging))
    iotdb.insert([reading(days_ago(3), data=77)])
    run(make_job(iotdb, store, staging))
    forget_journal(iotdb)
    with pytest.raises(ArchiveRefused, match="belongs to another database"):
        run(make_job(iotdb, store, staging))
    found = adopt(iotdb, store, staging)
    assert (found.objects, found.rows, found.undecided) == (4, 28, [])
    late = [ROWS[0], reading(days_ago(1), data=5)]
    iotdb.insert(late)
    assert run(make_job(iotdb, store, staging)).problems == ()
    assert archived_rows(store) == Counter([*ROWS, reading(days_ago(3), data=77), *late])
    assert iotdb.rows() == Counter()


@FORMS
def test_a_second_adoption_learns_nothing_new(iotdb, store, staging):
    iotdb.insert(ROWS)
    run(make_job(iotdb, store, staging))
    assert adopt(iotdb, store, staging).objects == 0


@FORMS
def test_what_can_not_be_decided_is_said(iotdb, store, staging):
    iotdb.insert(ROWS)
    run(make_job(iotdb, store, staging))
    forget_journal(iotdb)
    iotdb.insert([reading(days_ago(2), data=5)])
    (sentence,) = adopt(iotdb, store, staging).undecided
    assert "the database holds 1 rows and the archive 9" in sentence
    run(make_job(iotdb, store, staging))
    assert archived_rows(store) == Counter([*ROWS, reading(days_ago(2), data=5)])


def test_a_copy_in_another_schema_is_refused_until_it_is_adopted(mysql_server, mysql_database, store, staging):
    from servicemanager.iotdb.upgrade import upgrade
    from support.iotdb import facts_ddl, mysql_iotdb

    iotdb = mysql_iotdb(mysql_server, mysql_database, facts_ddl())
    upgrade(iotdb.database)
    check_place(iotdb.database)
    check_place(iotdb.database)
    iotdb.execute("UPDATE sm_meta SET value = REPLACE(value, 'iotdb', 'original') WHERE name = 'place'")
    with pytest.raises(ArchiveRefused, match="is a copy"):
        check_place(iotdb.database)
    adopt(iotdb, store, staging)
    check_place(iotdb.database)
    iotdb.database.close()
