"""The job `selfcare`, and what it needs to know of the other jobs and of Facts."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, TextIO

from servicemanager.jobs.history import History
from servicemanager.scheduler.cron import Schedule
from servicemanager.scheduler.due import is_overdue
from servicemanager.selfcare.judge import LateJob, Limits
from servicemanager.service import Service
from servicemanager.service.partitions import look_ahead

if TYPE_CHECKING:
    import sqlalchemy as sa

    from servicemanager.config import Settings
    from servicemanager.iotdb.engine import Database
    from servicemanager.selfcare.job import Due, SelfcareJob

#: Beyond this it does not matter how many more there are.
_COUNTED = 1_000_000


def selfcare_job(service: Service, database: Database, console: TextIO | None) -> SelfcareJob:
    """Raises ConfigurationError where a channel can't be used."""
    from servicemanager.alerts.trouble import Troubles
    from servicemanager.selfcare.job import SelfcareJob

    settings, rules = service.settings, service.rules()
    channels = [channel.name for channel in service.channels(console)]
    return SelfcareJob(
        database,
        Troubles(database, channels, rules.policy, settings.zone),
        limits_of(settings),
        settings.export.local_directory,
        lambda now: _due(service, database, now),
        lambda connection, now: late_jobs(settings, History(database), connection, now),
        lambda: look_ahead(service, database),
    )


def limits_of(settings: Settings) -> Limits:
    care = settings.selfcare
    return Limits(care.retention, care.verified, care.undelivered, care.disk)


def late_jobs(settings: Settings, history: History, connection: sa.Connection, now: datetime) -> list[LateJob]:
    """Every job that the settings ask for and that has not succeeded for twice its period."""
    from servicemanager.service.tasks import JOBS

    since, late = history.since(), []
    for task in JOBS:
        good = history.succeeded(connection, task.name)
        succeeded_at = good.started_at if good else None
        schedule = Schedule(task.schedule(settings), settings.zone)
        if task.wanted(settings) and is_overdue(schedule, succeeded_at, since, now):
            latest = history.latest(connection, task.name, limit=1)
            late.append(LateJob(task.name, succeeded_at, latest[0].error if latest else None))
    return late


def _due(service: Service, database: Database, now: datetime) -> Due | None:
    from servicemanager.selfcare.job import Due

    settings = service.settings
    if not (settings.export.active and settings.export.purge and settings.export.bucket):
        return None
    facts = service.facts(database)
    if not facts.shape.indexed:
        return None
    cutoff = facts.calendar(settings.zone).cutoff(now, settings.export.days)
    return Due(cutoff, facts.count_some_before(cutoff, _COUNTED), facts.oldest_before(cutoff))
