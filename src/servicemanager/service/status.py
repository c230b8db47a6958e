"""How the service is: who leads, what each job did last and does next, and what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

import sqlalchemy as sa

from servicemanager.alerts.standing import Standing, fetch_standing
from servicemanager.alerts.trouble import Finding
from servicemanager.cluster.keeper import read_leader
from servicemanager.cluster.mirror import Answer, Mirror
from servicemanager.cluster.role import Leader, Role, free_at
from servicemanager.config import Settings
from servicemanager.iotdb.engine import Database
from servicemanager.jobs.history import History, Run, typical_seconds
from servicemanager.jobs.job import Outcome
from servicemanager.scheduler.cron import Schedule
from servicemanager.scheduler.due import Due, is_overdue, next_start
from servicemanager.selfcare.figures import Figures, load
from servicemanager.selfcare.judge import LateJob, judge
from servicemanager.service.selfcare import limits_of
from servicemanager.service.tasks import JOBS, Task

_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 -- where an instance on this machine is found


@dataclass(frozen=True)
class JobStatus:
    """One job; `pattern` is None where the settings do not ask for it. `recent` are its newest runs."""

    name: str
    about: str
    pattern: str | None
    last: Run | None
    next: Due | None
    typical_seconds: float | None
    succeeded_at: datetime | None
    overdue: bool
    recent: tuple[Run, ...]


#: What this instance and its mirror say; None where there is no mirror.
Instances = tuple[Answer, Answer | None]


@dataclass(frozen=True)
class Status:
    """Instants by the database's clock."""

    now: datetime
    leader: Leader | None
    here: Answer
    mirror: Answer | None
    jobs: tuple[JobStatus, ...]
    standing: Standing
    #: As last measured; None before the job `selfcare` has run.
    figures: Figures | None
    findings: tuple[Finding, ...]

    @property
    def has_master(self) -> bool:
        return not free_at(self.leader, self.now)

    @property
    def node_leads(self) -> bool:
        """Whether the mirror runs the Node version and says MASTER, which this version respects."""
        return bool(self.mirror and self.mirror.role is Role.MASTER and not self.mirror.is_ours)

    def problems(self) -> Iterator[str]:
        """Each a sentence."""
        if not self.has_master and not self.node_leads:
            yield "No instance is MASTER, so no job runs: start one with `servicemanager run`."
        for finding in self.findings:
            yield finding.sentences


def ask_instances(settings: Settings) -> Instances:
    """Both by HTTP."""
    mirror = Mirror(*settings.mirror_address).ask() if settings.mirror_address else None
    return Mirror(_EVERYWHERE.get(settings.address, settings.address), settings.port).ask(), mirror


def look_at_jobs(settings: Settings, database: Database) -> tuple[JobStatus, ...]:
    """What each job did last, and does next."""
    history = History(database)
    since = history.since()
    with database.reading() as connection:
        now = database.now(connection)
        return tuple(_job(task, settings, _record(history, connection, task, since), now) for task in JOBS)


def look(settings: Settings, database: Database, instances: Instances | None = None) -> Status:
    """Ask the database, and both instances unless they are known. Raises DatabaseUnreachable."""
    standing, jobs = fetch_standing(database), look_at_jobs(settings, database)
    with database.reading() as connection:
        now = database.now(connection)
        leader = read_leader(connection)
        figures = load(connection)
    here, mirror = instances or ask_instances(settings)
    late = [LateJob(job.name, job.succeeded_at, job.last.error if job.last else None) for job in jobs if job.overdue]
    findings = judge(_at_present(figures, standing, now), late, limits_of(settings))
    return Status(now, leader, here, mirror, jobs, standing, figures, tuple(findings))


def _at_present(figures: Figures | None, standing: Standing, now: datetime) -> Figures:
    """What was measured last, with what is known by now."""
    waiting = standing.undelivered
    last = figures or Figures(now, None, None, None, None, None, 0, None, "", None)
    return replace(last, measured_at=now, undelivered=waiting.count, undelivered_at=waiting.oldest_at)


@dataclass(frozen=True)
class _Record:
    """What is on record of a job: its latest runs, the last that succeeded, and when the schedule began to count."""

    runs: list[Run]
    good: Run | None
    since: datetime


def _record(history: History, connection: sa.Connection, task: Task, since: datetime) -> _Record:
    return _Record(history.latest(connection, task.name), history.succeeded(connection, task.name), since)


def _job(task: Task, settings: Settings, record: _Record, now: datetime) -> JobStatus:
    last = record.runs[0] if record.runs else None
    succeeded_at = record.good.started_at if record.good else None
    pattern, due, overdue = None, None, False
    if task.wanted(settings):
        schedule = Schedule(task.schedule(settings), settings.zone)
        pattern, overdue = schedule.pattern, is_overdue(schedule, succeeded_at, record.since, now)
        if last is None or last.outcome is not Outcome.RUNNING:
            due = next_start(schedule, record.runs, record.since, now, settings.scheduler.catch_up)
    typical, recent = typical_seconds(record.runs), tuple(record.runs)
    return JobStatus(task.name, task.about, pattern, last, due, typical, succeeded_at, overdue, recent)
