"""The jobs that the service does again and again: one tuple, from which whatever lists or starts jobs derives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TextIO

from servicemanager.config import Settings
from servicemanager.errors import ConfigurationError
from servicemanager.service import ExportWishes, Service, StatisticsWishes

if TYPE_CHECKING:
    from servicemanager.iotdb.engine import Database
    from servicemanager.jobs.job import Job


@dataclass(frozen=True)
class Task:
    """A job: its name, what it does in a sentence, its cron pattern, and how it is made."""

    name: str
    about: str
    schedule: Callable[[Settings], str]
    #: A run that takes longer hangs, and is ended.
    limit: timedelta
    #: The stream is where notices go that no other channel takes.
    make: Callable[[Service, Database, TextIO | None], Job]
    #: Whether the settings ask for it at all.
    wanted: Callable[[Settings], bool] = lambda _: True


def _export(service: Service, database: Database) -> Job:
    store = service.store()
    if store is None or not service.settings.export.active:
        raise ConfigurationError("Nothing is exported: set export.bucket (EXPORT_BUCKET), and leave export.active on.")
    return service.export_job(database, store, ExportWishes())


def _selfcare(service: Service, database: Database, console: TextIO | None) -> Job:
    from servicemanager.service.selfcare import selfcare_job

    return selfcare_job(service, database, console)


_SHORT, _LONG = timedelta(minutes=30), timedelta(hours=24)

JOBS: tuple[Task, ...] = (
    Task(
        "devices",
        "Looks for devices that fell silent or came back, and tells people.",
        lambda s: s.scheduler.devices,
        _SHORT,
        Service.devices_job,
    ),
    Task(
        "history",
        "Records how many devices have which status.",
        lambda s: s.scheduler.history,
        _SHORT,
        lambda service, database, _: service.history_job(database),
    ),
    Task(
        "statistics",
        "Publishes the statistics anew by which the gateway tells noise from readings.",
        lambda s: s.scheduler.statistics,
        _LONG,
        lambda service, database, _: service.statistics_job(database, StatisticsWishes()),
    ),
    Task(
        "export",
        "Moves old readings into the archive, and deletes from the database what the archive provably holds.",
        lambda s: s.scheduler.export,
        _LONG,
        lambda service, database, _: _export(service, database),
        wanted=lambda s: s.export.active and s.export.bucket is not None,
    ),
    Task(
        "messages",
        "Deletes old messages to devices.",
        lambda s: s.scheduler.messages,
        _LONG,
        lambda service, database, _: service.messages_job(database),
    ),
    Task(
        "housekeeping",
        "Deletes old rows of the service's own tables.",
        lambda s: s.scheduler.housekeeping,
        _SHORT,
        lambda service, database, _: service.housekeeping_job(database),
    ),
    Task(
        "selfcare",
        "Looks whether the service itself falls behind, and tells people.",
        lambda s: s.scheduler.selfcare,
        _SHORT,
        _selfcare,
    ),
)


def task_of(name: str) -> Task:
    """Raises ConfigurationError, which lists the names that there are."""
    for task in JOBS:
        if task.name == name:
            return task
    names = ", ".join(task.name for task in JOBS)
    raise ConfigurationError(f"There is no job of that name. The jobs are: {names}.")
