"""Housekeeping: old rows of our own tables go, and nothing that anybody may still need."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
import sqlalchemy as sa

from servicemanager.archive.folder import FolderStore
from servicemanager.errors import LeaseLost
from servicemanager.housekeeping.job import HousekeepingJob
from servicemanager.housekeeping.retention import RETENTIONS, Retention
from servicemanager.iotdb.tables import incident as incident_table
from servicemanager.jobs.job import Silence
from servicemanager.jobs.runner import Runner
from support.exports import LEASE, days_ago, make_job, run
from support.housekeeping import OLD_ROWS, incident, message, run_of, silence
from support.iotdb import reading

pytestmark = pytest.mark.parametrize("iotdb", ["sqlite", "timestamp"], indirect=True)


def subjects(iotdb, table: str, column: str) -> list:
    return [value for (value,) in iotdb.execute(f"SELECT {column} FROM {table} ORDER BY id")]


def test_old_runs_go_but_the_newest_of_each_job_and_the_newest_success_stay(iotdb):
    iotdb.execute(
        run_of("export", 300),
        run_of("export", 200),  # the newest success
        run_of("export", 150, "running"),  # killed
        run_of("export", 120, "failed"),
        run_of("export", 100, "failed"),  # the newest
        run_of("messages", 400),  # both
        run_of("statistics", 95, "stopped"),
        run_of("statistics", 89, "failed"),
    )
    assert run(HousekeepingJob(iotdb.database)).counts == {"sm_job_run": 4}
    rows = iotdb.execute("SELECT job, outcome FROM sm_job_run ORDER BY id")
    assert [tuple(row) for row in rows] == [
        ("export", "done"),
        ("export", "failed"),
        ("messages", "done"),
        ("statistics", "failed"),
        ("housekeeping", "done"),
    ]


def test_messages_go_a_month_after_they_were_delivered_or_refused_for_good_and_no_sooner(iotdb):
    iotdb.execute(
        message("delivered", decided=40, delivered=31),
        message("delivered lately", decided=40, delivered=29),
        message("refused", decided=31, failure="permanent"),
        message("refused lately", decided=29, failure="permanent"),
        message("tried in vain", decided=500, failure="passing"),
        message("never tried", decided=500),
    )
    assert run(HousekeepingJob(iotdb.database)).counts == {"sm_outbox": 2}
    left = ["delivered lately", "refused lately", "tried in vain", "never tried"]
    assert subjects(iotdb, "sm_outbox", "subject") == left


def test_incidents_and_silences_go_long_after_their_end_and_never_before(iotdb):
    iotdb.execute(*(incident(f"{days}", days) for days in (366, 364, None)))
    iotdb.execute(*(silence(f"{days}", days) for days in (31, 29, -5, None)))
    assert run(HousekeepingJob(iotdb.database)).counts == {"sm_incident": 1, "sm_silence": 1}
    assert subjects(iotdb, "sm_incident", "subject") == ["364", "None"]
    assert subjects(iotdb, "sm_silence", "name") == ["29", "-5", "None"]


def test_what_proves_an_archive_stays_however_old_it_is(iotdb, tmp_path, staging):
    iotdb.insert([reading(days_ago(2000 + n), data=n) for n in range(3)])
    run(make_job(iotdb, FolderStore(tmp_path / "archive"), staging))
    tables = ("sm_archive", "sm_archive_object", "sm_archive_part", "sm_rollup_block", "sm_rollup_counted")
    iotdb.execute(*OLD_ROWS, "UPDATE sm_archive SET planned_at = '2020-01-01'")
    before = {table: iotdb.execute(f"SELECT * FROM {table}") for table in tables}
    assert all(len(rows) == 3 for rows in before.values())
    assert run(HousekeepingJob(iotdb.database)).counts.keys() == {each.table.name for each in RETENTIONS}
    assert {table: iotdb.execute(f"SELECT * FROM {table}") for table in tables} == before


def test_rows_go_in_chunks_and_those_that_refer_to_them_in_the_same_transaction(iotdb):
    part = sa.Table(
        "sm_test_part", sa.MetaData(), sa.Column("number", sa.Integer), sa.Column("incident_id", sa.Integer)
    )
    part.create(iotdb.database.engine)
    iotdb.execute(*(incident(f"{n}", 366 if n % 3 else None) for n in range(20)))
    iotdb.execute(
        "INSERT INTO sm_test_part SELECT 1, id FROM sm_incident", "INSERT INTO sm_test_part VALUES (2, 10000)"
    )
    retention = Retention(
        incident_table, incident_table.c.closed_at, timedelta(days=365), referring=(part.c.incident_id,)
    )
    job = HousekeepingJob(iotdb.database, (retention,), chunk=4)
    assert run(job).counts == {"sm_incident": 13}
    left = iotdb.execute("SELECT incident_id FROM sm_test_part ORDER BY incident_id")
    assert [number for (number,) in left] == [*subjects(iotdb, "sm_incident", "id"), 10000]


def test_a_row_that_is_needed_again_in_the_last_moment_stays(iotdb):
    iotdb.execute(*(incident(f"{n}", 366) for n in range(3)))

    class Reopening(HousekeepingJob):
        def _due(self, each, now, last):
            found = super()._due(each, now, last)
            iotdb.execute("UPDATE sm_incident SET closed_at = NULL WHERE subject = '1'")
            return found

    assert run(Reopening(iotdb.database)).counts == {"sm_incident": 2}
    assert subjects(iotdb, "sm_incident", "subject") == ["1"]


def test_a_run_that_was_deposed_deletes_nothing_more(iotdb):
    iotdb.execute(*(incident(f"{n}", 366) for n in range(9)))

    class Deposing(Silence):
        def advance(self, phase, rows):
            iotdb.execute("UPDATE sm_fence SET term = term + 1 WHERE name = 'job:housekeeping'")

    job = HousekeepingJob(iotdb.database, chunk=2)
    with pytest.raises(LeaseLost):
        Runner(iotdb.database, LEASE, Deposing(), threading.Event()).run(job)
    assert len(subjects(iotdb, "sm_incident", "id")) == 7
