"""The scheduler starts what is due, once, and sees to its children: on both databases, with real processes."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from servicemanager.cluster.lease import acquire
from servicemanager.errors import LeaseHeld, ServiceManagerError
from servicemanager.iotdb.engine import Database
from servicemanager.iotdb.tables import job_run, meta
from servicemanager.jobs.history import History
from servicemanager.jobs.job import Outcome
from servicemanager.scheduler import child, loop
from servicemanager.scheduler.child import Command
from servicemanager.scheduler.cron import Schedule
from servicemanager.scheduler.loop import Planned, Scheduler
from servicemanager.service.desk import run_now
from servicemanager.service.desk.run_now import Wishes
from support.cli import until
from support.leases import MINUTE, lease_database

DAILY = Schedule("0 2 * * *", ZoneInfo("UTC"))
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
FIRING = datetime(2026, 11, 24, 2, tzinfo=UTC)


@pytest.fixture(params=["sqlite", "mariadb"])
def database(request, tmp_path) -> Iterator[Database]:
    with lease_database(request, tmp_path) as made:
        since = (NOON - timedelta(days=3)).isoformat()
        with made.transaction() as tx:
            tx.execute(meta.insert().values(name="schedule_since", value=since))
        yield made


def scheduler(program: str, limit: timedelta = MINUTE) -> Scheduler:
    command = Command((sys.executable, "-S", "-c", program), {})
    return Scheduler(timedelta(days=1), {"export": Planned("export", DAILY, lambda _: command, limit)})


def finish(running: Scheduler, patience: float = 20) -> None:
    until(lambda: running.watch() or not running.running, patience)


def record(database: Database, outcome: Outcome, at: datetime = FIRING) -> None:
    values = {"started_at": at, "ended_at": at, "outcome": outcome, "counts": "{}", "instance": "a", "term": 1}
    with database.transaction() as tx:
        tx.execute(job_run.insert().values(job="export", scheduled_for=at, **values))


def test_what_is_due_is_started_once_and_not_again_while_it_runs(database, tmp_path):
    mark = tmp_path / "started"
    running = scheduler(f"open({str(mark)!r}, 'a').write('x'); import time; time.sleep(1)")
    for _ in range(20):
        running.start_due(database, NOON)
    assert running.running == ["export"]
    finish(running)
    assert mark.read_text() == "x"


def test_what_had_its_run_is_not_due(database):
    record(database, Outcome.DONE)
    running = scheduler("raise SystemExit")
    running.start_due(database, NOON)
    assert running.running == []


def test_a_run_of_somebody_else_is_waited_for(database):
    held = acquire(database, "job:export", "somebody else", MINUTE)
    History(database).begin("export", held)
    running = scheduler("raise SystemExit")
    running.start_due(database, NOON)
    assert running.running == []


def test_a_run_whose_process_died_counts_as_interrupted_as_soon_as_its_lease_is_over(database):
    held = acquire(database, "job:export", "a machine that died", timedelta(0))
    number = History(database).begin("export", held, FIRING)
    with database.reading() as connection:
        (run,) = History(database).latest(connection, "export")
    assert (run.number, run.outcome) == (number, Outcome.INTERRUPTED)
    again = acquire(database, "job:export", "the next one", MINUTE)
    History(database).begin("export", again, FIRING)
    with database.reading() as connection:
        outcomes = connection.execute(sa.select(job_run.c.outcome).order_by(job_run.c.id)).scalars().all()
    assert outcomes == ["interrupted", "running"]


def test_a_child_that_takes_longer_than_it_may_is_asked_and_then_killed(database, monkeypatch):
    monkeypatch.setattr(child, "PATIENCE", 0.5)
    stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
    running = scheduler(stubborn, limit=timedelta(seconds=1))
    running.start_due(database, NOON)
    began = time.monotonic()
    finish(running)
    assert time.monotonic() - began < 15


def test_children_that_are_asked_to_stop_do_so(database):
    running = scheduler("import time; time.sleep(60)")
    running.start_due(database, NOON)
    running.stop_children()
    finish(running)


@pytest.mark.parametrize("status", [2, 3, 4])
def test_a_child_that_could_not_begin_is_tried_again_after_a_while(database, monkeypatch, status):
    monkeypatch.setattr(loop, "wait_after", lambda tries: timedelta(seconds=tries))
    running = scheduler(f"raise SystemExit({status})")
    running.start_due(database, NOON)
    finish(running)
    running.start_due(database, NOON)
    assert running.running == []
    time.sleep(1.1)
    running.start_due(database, NOON)
    assert running.running == ["export"]
    finish(running)


def test_an_interrupted_run_is_tried_again_in_its_time(database):
    record(database, Outcome.INTERRUPTED)
    running = scheduler("raise SystemExit")
    running.start_due(database, FIRING + timedelta(seconds=30))
    assert running.running == []
    running.look_anew()
    running.start_due(database, FIRING + timedelta(minutes=2))
    assert running.running == ["export"]
    finish(running)


def test_another_pattern_comes_into_force_at_once(database):
    record(database, Outcome.DONE)
    running = scheduler("raise SystemExit")
    running.start_due(database, NOON)
    planned = running.plan["export"]
    often = Planned("export", Schedule("*/10 * * * *", ZoneInfo("UTC")), planned.command, planned.limit)
    running.change({"export": often}, timedelta(days=1))
    running.start_due(database, NOON)
    assert running.running == ["export"]
    finish(running)


def test_a_run_that_somebody_asks_for_is_started_at_once_and_once(database):
    running = scheduler("import time; time.sleep(0.5)")
    command = Command((sys.executable, "-S", "-c", "raise SystemExit"), {})
    running.start_now("export", command, MINUTE, "maria")
    with pytest.raises(LeaseHeld, match="A run of the job export is at work"):
        running.start_now("export", command, MINUTE, "juan")
    running.start_due(database, NOON)
    finish(running)
    running.start_due(database, NOON)
    assert running.running == ["export"]
    with pytest.raises(LeaseHeld):
        running.start_now("export", command, MINUTE, "juan")
    finish(running)


@pytest.mark.parametrize("status", [2, 3, 4])
def test_a_run_that_somebody_asked_for_in_vain_holds_no_firing_up(database, status):
    running = scheduler("raise SystemExit")
    running.start_now("export", Command((sys.executable, "-S", "-c", f"raise SystemExit({status})"), {}), MINUTE, "m")
    finish(running)
    running.start_due(database, NOON)
    assert running.running == ["export"]
    finish(running)


def test_a_run_that_can_not_be_started_is_told(database):
    with pytest.raises(ServiceManagerError, match="can't be started on this machine"):
        scheduler("").start_now("export", Command(("/nowhere/at/all",), {}), MINUTE, "maria")


def test_wishes_are_handed_to_the_main_loop_with_what_becomes_of_them():
    wishes, started = Wishes(), []

    def ask(job):
        try:
            wishes.start(job, "maria")
        except LeaseHeld as error:
            started.append(str(error))

    def start(job, by):
        if job == "export":
            raise LeaseHeld("at work")
        started.append((job, by))

    threads = [threading.Thread(target=ask, args=(job,)) for job in ("history", "export")]
    for thread in threads:
        thread.start()
    until(lambda: wishes.fulfil(start) or len(started) == 2)
    for thread in threads:
        thread.join()
    assert sorted(map(str, started)) == sorted(["at work", "('history', 'maria')"])


def test_a_wish_that_nobody_hears_is_taken_back(monkeypatch):
    monkeypatch.setattr(run_now, "PATIENCE", 0.05)
    wishes = Wishes()
    with pytest.raises(ServiceManagerError, match="too busy to start the job history"):
        wishes.start("history", "maria")
    wishes.fulfil(lambda *_: pytest.fail("it was taken back"))
