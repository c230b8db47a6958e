"""Reading ahead yields what reading does, and leaves nothing behind however it ends."""

from __future__ import annotations

import threading
from contextlib import closing
from dataclasses import replace

import pytest

from servicemanager.errors import ServiceManagerError
from servicemanager.export.plan import Action
from servicemanager.export.read_ahead import read_ahead
from servicemanager.iotdb.estimate import scanned_rows
from servicemanager.iotdb.fingerprint import fingerprint_rows
from servicemanager.jobs.job import JobContext, Silence
from support.exports import days_ago, make_job
from support.iotdb import reading
from support.partitions import partition

FORMS = ["sqlite", "timestamp", "datetime-unindexed"]


@pytest.fixture
def tools(iotdb, store, staging):
    return make_job(iotdb, store, staging).tools(JobContext(None, Silence(), threading.Event()))


@pytest.fixture
def windows(iotdb, store, staging):
    """Four days, one of which has no rows; the plan has three windows."""
    iotdb.insert([reading(days_ago(day, hour), data=n) for day in (5, 4, 2) for hour in (3, 15) for n in range(day)])
    planned = make_job(iotdb, store, staging).plan().windows
    assert [(each.rows, each.action) for each in planned] == [(n, Action.ARCHIVE) for n in (10, 8, 4)]
    return planned


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("ahead")]


@pytest.mark.parametrize("iotdb", FORMS, indirect=True)
@pytest.mark.parametrize("store", ["folder"], indirect=True)
@pytest.mark.parametrize("ahead", [True, False])
def test_each_window_is_read_and_counted(tools, windows, ahead):
    for purge in (False, True):
        found = [(each.rows, each.counted()) for each in read_ahead(replace(tools, ahead=ahead), windows, purge=purge)]
        assert [rows.num_rows for rows, _ in found] == [10, 8, 4]
        assert [fingerprint_rows(rows).count for rows, _ in found] == [counted for _, counted in found]
    assert threads() == []


@pytest.mark.parametrize("iotdb", FORMS, indirect=True)
@pytest.mark.parametrize("store", ["folder"], indirect=True)
def test_a_reading_that_is_given_up_leaves_no_thread(tools, windows):
    with closing(read_ahead(tools, windows, purge=False)) as readings:
        assert next(readings).rows.num_rows == 10
    assert threads() == []


@pytest.mark.parametrize("iotdb", ["sqlite", "timestamp"], indirect=True)
@pytest.mark.parametrize("store", ["folder"], indirect=True)
def test_what_goes_wrong_in_another_thread_is_told_here(tools, windows, iotdb):
    iotdb.execute("ALTER TABLE Facts RENAME TO Elsewhere")
    with closing(read_ahead(tools, windows, purge=False)) as readings, pytest.raises(ServiceManagerError):
        next(readings)
    assert threads() == []


def scanned(iotdb) -> int:
    """Rows that the server has read one after the other, and not found by an index."""
    return int(iotdb.execute("SHOW GLOBAL STATUS LIKE 'Handler_read_rnd_next'")[0][1])


@pytest.mark.parametrize("iotdb", ["timestamp"], indirect=True)
@pytest.mark.parametrize("store", ["folder"], indirect=True)
@pytest.mark.parametrize("name", ["arrival", "100 %% of `` it"])
def test_some_days_are_found_by_index_and_most_of_a_table_is_scanned(iotdb, store, staging, name):
    """Of two days in ten the server by itself scans all ten."""
    iotdb.execute("ALTER TABLE Facts DROP INDEX arrival", f"ALTER TABLE Facts ADD INDEX `{name}` (creationDate)")
    iotdb.insert([reading(days_ago(day), data=n) for day in range(1, 11) for n in range(1_000)])
    iotdb.execute("ANALYZE TABLE Facts")
    job = make_job(iotdb, store, staging)
    windows, tools = job.plan().windows, job.tools(JobContext(None, Silence(), threading.Event()))
    assert [each.rows for each in windows] == [1_000] * 10
    for asked, scans in ((windows[:2], range(1_000)), (windows, range(10_000, 11_000))):
        before = scanned(iotdb)
        found = [(each.rows.num_rows, each.counted().rows) for each in read_ahead(tools, asked, purge=False)]
        assert found == [(1_000, 1_000)] * len(asked)
        assert scanned(iotdb) - before in scans


@pytest.mark.parametrize("iotdb", ["timestamp"], indirect=True)
def test_of_a_partitioned_table_only_partitions_are_scanned(iotdb):
    iotdb.insert([reading(days_ago(day), data=n) for day in range(1, 4) for n in range(100)])
    iotdb.execute("ANALYZE TABLE Facts")
    assert 250 < scanned_rows(iotdb.database, "Facts") < 350
    partition(iotdb)
    assert scanned_rows(iotdb.database, "Facts") == 0
