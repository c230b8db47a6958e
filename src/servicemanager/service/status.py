"""How the service is: who leads, what each job did last and does next, and what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

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


def look(settings: Settings, database: Database) -> Status:
    """Ask the database, and both instances by HTTP. Raises DatabaseUnreachable."""
    history = History(database)
    since = history.since()
    standing = fetch_standing(database)
    with database.reading() as connection:
        now = database.now(connection)
        leader = read_leader(connection)
        runs = {task.name: history.latest(connection, task.name) for task in JOBS}
        good = {task.name: history.succeeded(connection, task.name) for task in JOBS}
        figures = load(connection)
    jobs = tuple(_job(task, settings, _Record(runs[task.name], good[task.name], since), now) for task in JOBS)
    mirror = Mirror(*settings.mirror_address).ask() if settings.mirror_address else None
    here = Mirror(_EVERYWHERE.get(settings.address, settings.address), settings.port).ask()
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
