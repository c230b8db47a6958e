"""How the service is: who leads, what each job did last and does next, and what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from servicemanager.alerts.outbox import Outbox
from servicemanager.cluster.keeper import read_leader
from servicemanager.cluster.mirror import Answer, Mirror
from servicemanager.cluster.role import Leader, free_at
from servicemanager.config import Settings
from servicemanager.iotdb.engine import Database
from servicemanager.jobs.history import History, Run, typical_seconds
from servicemanager.jobs.job import Outcome
from servicemanager.scheduler.cron import Schedule
from servicemanager.scheduler.due import Due, is_overdue, next_start
from servicemanager.service.tasks import JOBS, Task

_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 -- where an instance on this machine is found


@dataclass(frozen=True)
class JobStatus:
    """One job; `pattern` is None where the settings do not ask for it."""

    name: str
    pattern: str | None
    last: Run | None
    next: Due | None
    typical_seconds: float | None
    succeeded_at: datetime | None
    overdue: bool


@dataclass(frozen=True)
class Status:
    """Instants by the database's clock."""

    now: datetime
    leader: Leader | None
    here: Answer
    mirror: Answer | None
    jobs: tuple[JobStatus, ...]
    undelivered: int
    oldest_undelivered_at: datetime | None

    @property
    def has_master(self) -> bool:
        return not free_at(self.leader, self.now)

    def problems(self) -> Iterator[str]:
        """Each a sentence."""
        if not self.has_master:
            yield "No instance is MASTER, so no job runs: start one with `servicemanager run`."
        for job in self.jobs:
            if job.overdue:
                since = f"since {job.succeeded_at:%Y-%m-%d %H:%M} UTC" if job.succeeded_at else "yet"
                why = f": {job.last.error.splitlines()[0]}" if job.last and job.last.error else "."
                yield f"The job {job.name} has not succeeded {since}, which is more than twice its period{why}"
        if self.oldest_undelivered_at and self.now - self.oldest_undelivered_at > timedelta(hours=1):
            yield (
                f"{self.undelivered} messages wait to be delivered, the oldest since "
                f"{self.oldest_undelivered_at:%Y-%m-%d %H:%M} UTC: `servicemanager notify test` says what is wrong."
            )


def look(settings: Settings, database: Database) -> Status:
    """Ask the database, and both instances by HTTP. Raises DatabaseUnreachable."""
    history = History(database)
    since = history.since()
    waiting = Outbox(database).undelivered()
    with database.reading() as connection:
        now = database.now(connection)
        leader = read_leader(connection)
        runs = {task.name: history.latest(connection, task.name) for task in JOBS}
        good = {task.name: history.succeeded(connection, task.name) for task in JOBS}
    jobs = tuple(_job(task, settings, _Record(runs[task.name], good[task.name], since), now) for task in JOBS)
    mirror = Mirror(*settings.mirror_address).ask() if settings.mirror_address else None
    here = Mirror(_EVERYWHERE.get(settings.address, settings.address), settings.port).ask()
    return Status(now, leader, here, mirror, jobs, waiting.count, waiting.oldest_at)


@dataclass(frozen=True)
class _Record:
    """What is on record of a job: its latest runs, the last that succeeded, and when the schedule began to count."""

    runs: list[Run]
    good: Run | None
    since: datetime


def _job(task: Task, settings: Settings, record: _Record, now: datetime) -> JobStatus:
    last = record.runs[0] if record.runs else None
    succeeded_at = record.good.started_at if record.good else None
    typical = typical_seconds(record.runs)
    if not task.wanted(settings):
        return JobStatus(task.name, None, last, None, typical, succeeded_at, overdue=False)
    schedule = Schedule(task.schedule(settings), settings.zone)
    running = last is not None and last.outcome is Outcome.RUNNING
    due = None if running else next_start(schedule, record.runs, record.since, now, settings.scheduler.catch_up)
    overdue = is_overdue(schedule, succeeded_at, record.since, now)
    return JobStatus(task.name, schedule.pattern, last, due, typical, succeeded_at, overdue)
