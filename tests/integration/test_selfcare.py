"""The job `selfcare` on a real database: what it measures, tells, and tells the end of."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from servicemanager.iotdb.tables import incident, job_run, meta, outbox
from servicemanager.iotdb.upgrade import upgrade
from servicemanager.selfcare.figures import load_figures
from support.cli import COMMAND, bare_environ, servicemanager
from support.exports import days_ago
from support.iotdb import reading, sqlite_iotdb


@pytest.fixture
def folder(tmp_path):
    """An embedded database with two old days in it, whose schedule began to count a week ago."""
    iotdb = sqlite_iotdb(tmp_path / "servicemanager-data" / "iotdb.sqlite")
    iotdb.insert([reading(days_ago(day), data=n) for day in (0, 4, 9) for n in range(20)])
    upgrade(iotdb.database)
    since = datetime.now(UTC) - timedelta(days=7)
    with iotdb.database.transaction() as tx:
        tx.execute(meta.insert().values(name="schedule_since", value=since.isoformat()))
        # All jobs but the export have just run.
        for job in ("devices", "history", "statistics", "messages", "housekeeping", "selfcare"):
            values = {"started_at": datetime.now(UTC), "ended_at": datetime.now(UTC), "outcome": "done", "counts": "{}"}
            tx.execute(job_run.insert().values(job=job, instance="a", term=1, **values))
    yield tmp_path, iotdb.database
    iotdb.database.close()


def open_subjects(database):
    with database.reading() as connection:
        query = sa.select(incident.c.subject).where(incident.c.closed_at.is_(None)).order_by(incident.c.subject)
        return list(connection.execute(query).scalars())


def told(database):
    with database.reading() as connection:
        return list(connection.execute(sa.select(outbox.c.subject).order_by(outbox.c.id)).scalars())


def test_an_export_that_does_not_run_is_told_once_and_its_end_too(folder):
    here, database = folder
    for _ in range(2):
        assert servicemanager("run-job", "selfcare", environ={}, folder=here).status == 0
    assert open_subjects(database) == ["job:export", "selfcare:retention"]
    assert len(told(database)) == 2
    figures = load_figures(database)
    assert figures.rows_due == 40
    assert timedelta(days=8) < datetime.now(UTC) - figures.oldest_at < timedelta(days=10, hours=1)
    assert figures.staging_free > 0
    done = servicemanager("status", "--json", environ={}, folder=here)
    assert done.status == 1
    assert done.document["figures"]["rows_past_retention"] == 40
    assert any("40 readings should have left" in problem for problem in done.document["problems"])
    assert {each["subject"] for each in done.document["incidents"]} == {"job:export", "selfcare:retention"}

    assert servicemanager("run-job", "export", environ={}, folder=here).status == 0
    assert servicemanager("run-job", "selfcare", environ={}, folder=here).status == 0
    assert open_subjects(database) == []
    assert [subject for subject in told(database) if subject.startswith("over: ")] == told(database)[2:]
    assert len(told(database)) == 4


def test_the_status_shows_what_was_measured(folder):
    here, _ = folder
    assert servicemanager("run-job", "selfcare", environ={}, folder=here).status == 0
    done = subprocess.run([COMMAND, "status"], cwd=here, env=bare_environ(here), capture_output=True, text=True)
    assert "readings past their retention  40, the oldest of" in done.stdout
    assert "GiB free on" in done.stdout
    assert json.loads(servicemanager("run-job", "selfcare", "--json", environ={}, folder=here).stdout)["counts"]
