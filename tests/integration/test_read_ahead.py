"""Reading ahead yields what reading does, and leaves nothing behind however it ends."""

from __future__ import annotations

import threading
from contextlib import closing
from dataclasses import replace

import pytest

from servicemanager.errors import ServiceManagerError
from servicemanager.export.plan import Action
from servicemanager.export.read_ahead import read_ahead
from servicemanager.iotdb.fingerprint import fingerprint_rows
from servicemanager.jobs.job import JobContext, Silence
from support.exports import days_ago, make_job
from support.iotdb import reading

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
